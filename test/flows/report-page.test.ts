/** The page of a report as people meet it: at a desk, on a phone, in the dark, on paper, by keyboard, read out. */
import axe from 'axe-core'
import type { Browser, Page } from 'puppeteer-core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { htmlReport } from '../../src/flows/report/html.ts'
import { startBrowser } from '../support/browser.ts'
import {
  approvedTransfer,
  auditScenario,
  awsLog,
  createBook,
  ends,
  type LogRow,
} from '../support/flow-scenario.ts'
import { describeWith } from '../support/program.ts'

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
type Found = {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string }[]
  }[]
}

/** Every grade, several servers, findings of each severity, names that are long, gaps in the records. */
async function page(): Promise<string> {
  const { indianServer, germanServer, elsewhere } = ends
  const long = 'a-server-with-a-name-that-somebody-made-up-by-a-convention-of-its-own-0123456789.example'
  const inventory = `cidr,server,country\n${indianServer},app-1,IN\n52.66.0.11,${long},IN\n52.66.0.12,quiet,IN\n`
  const india = createBook('in-mumbai')
  const germany = createBook('de-frankfurt')
  approvedTransfer('i', india, 'in-mumbai', germany, 'de-frankfurt', 1e6)
  const [here, there] = [[indianServer, 40_001] as const, [germanServer, 443] as const]
  const facts = { role: 'transfer', instruction: 'i' } as const
  india.connection({ ...facts, local: here, remote: there, bytesOut: 1e6, bytesIn: 2000 })
  germany.connection({ ...facts, local: there, remote: here, bytesOut: 2000, bytesIn: 1e6 })
  const beacon = Array.from(
    { length: 200 },
    (_, i): LogRow => ({
      from: ['52.66.0.11', 50_000 + i],
      to: [elsewhere, 443],
      payload: 3000,
      atSeconds: i * 300,
      lastsSeconds: 1,
    }),
  )
  const flows = awsLog([
    { from: here, to: there, payload: 1e6 },
    { from: [indianServer, 40_777], to: there, payload: 60e6 },
    { from: ['52.66.0.11', 49_999], to: ['203.0.113.9', 443], payload: 5e6 },
    ...beacon,
    { from: ['52.66.0.12', 40_000], to: [elsewhere, 123], payload: 48, packets: 1 },
  ])
  const skipped = Buffer.from('2 123456789012 eni-1 - - - - - - - 1768471200 1768471260 - SKIPDATA\n')
  const { report } = await auditScenario({
    flows: [Buffer.concat([flows, skipped])],
    inventory,
    books: [india.book(), germany.book()],
  })
  return htmlReport(report)
}

describeWith('chromium', 'the page of a report', () => {
  let browser: Browser
  let html = ''
  beforeAll(async () => {
    browser = await startBrowser()
    html = await page()
  })
  afterAll(() => browser?.close())

  async function open(width: number, look: (page: Page) => Promise<void>): Promise<Page> {
    const opened = await browser.newPage()
    await opened.setViewport({ width, height: 900 })
    await look(opened)
    const asked: string[] = []
    opened.on('request', request => asked.push(request.url()))
    await opened.setContent(html)
    expect(asked.filter(url => !url.startsWith('data:'))).toEqual([])
    return opened
  }

  it.each([
    ['at a desk', 1280, 'light'],
    ['on a phone', 360, 'light'],
    ['in the dark', 1280, 'dark'],
  ])('breaks no rule of WCAG 2.2 AA that a program can see, and fits: %s', async (_, width, scheme) => {
    const opened = await open(width, async fresh => {
      await fresh.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
    })
    const fits = await opened.evaluate('document.documentElement.scrollWidth <= window.innerWidth')
    expect(fits).toBe(true)
    await opened.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    await opened.evaluate(axe.source)
    const { violations } = (await opened.evaluate(`axe.run({ runOnly: ${JSON.stringify(rules)} })`)) as Found
    const faults = violations.map(({ id, nodes }) => `${id}: ${nodes[0]!.html.slice(0, 200)}`)
    expect(faults).toEqual([])
    await opened.close()
  })

  it('opens and closes a server by the keyboard', async () => {
    const opened = await open(1280, async () => {})
    const isOpen = () => opened.evaluate("document.activeElement.closest('details').open")
    for (let i = 0; i < 20; i++) {
      await opened.keyboard.press('Tab')
      if (await opened.evaluate("document.activeElement.matches('details.server > summary')")) break
    }
    const before = await isOpen()
    await opened.keyboard.press('Enter')
    expect(await isOpen()).toBe(!before)
    await opened.close()
  })

  it('shows on paper what is folded on the screen', async () => {
    const opened = await open(1280, async () => {})
    await opened.emulateMediaType('print')
    const heights = (await opened.evaluate(
      "[...document.querySelectorAll('details.server .inside')].map(each => each.getBoundingClientRect().height)",
    )) as number[]
    expect(heights.length).toBeGreaterThan(1)
    expect(Math.min(...heights)).toBeGreaterThan(20)
    expect((await opened.pdf({ format: 'A4' })).length).toBeGreaterThan(10_000)
    await opened.close()
  })
})
