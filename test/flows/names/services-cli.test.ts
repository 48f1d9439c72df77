import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { auditCommand } from '../../../src/cli/audit.ts'
import type { AuditReport } from '../../../src/flows/report/report-types.ts'
import { awsLog, ends, places, startUnixMs } from '../../support/flow-scenario.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-services-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const { indianServer, germanServer } = ends

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

async function run(...argv: string[]) {
  let stdout = ''
  let stderr = ''
  const code = await auditCommand(argv, {
    stdout: { write: text => (stdout += text) },
    stderr: { write: text => (stderr += text) },
    env: { HOLDFAST_CUSTOMER: folder },
    isTty: false,
  })
  return { code, stdout, stderr }
}

// Each of the first ones lasts for half a day.
const flows = awsLog(
  Array.from({ length: 200 }, (_, i) => ({
    from: [indianServer, 40_000 + i],
    to: [germanServer, 443],
    payload: 2_000_000,
    atSeconds: i * 1800,
    lastsSeconds: i < 3 ? 43_500 : 10,
  })),
)
const ssl = [
  '#separator \\x09',
  '#path\tssl',
  '#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tserver_name',
  ...Array.from({ length: 200 }, (_, i) =>
    [startUnixMs / 1000 + i * 1800 + 1, indianServer, 40_000 + i, germanServer, 443, 'c2.shop.example'].join(
      '\t',
    ),
  ),
]
const own = '# ours\ndomain,service,tags\nshop.example,Shop,\n'
const listed = 'domain,tags\nshop.example,blocked\n'

describe('holdfast audit --services', () => {
  const base = () => [
    file('eni.log', flows),
    file('ssl.log', `${ssl.join('\n')}\n`),
    '--servers',
    file('inventory.csv', `cidr,server,country\n${indianServer},app-1,IN\n`),
    '--places',
    file('places.csv', places),
  ]

  it('names the lists by their hash, and the address of a detection by its host name', async () => {
    const lists = ['--services', file('own.csv', own), '--services', file('listed.csv', listed)]
    const ocsf = join(folder, 'events.ndjson')
    const { code, stdout } = await run(...base(), ...lists, '--json', '--ocsf', ocsf)
    expect(code).toBe(0)
    const report = JSON.parse(stdout) as AuditReport
    expect(report.inputs.services).toEqual(
      [own, listed].map((text, i) => ({
        name: ['own.csv', 'listed.csv'][i],
        sha256: createHash('sha256').update(text).digest('hex'),
        bytes: text.length,
      })),
    )
    expect(report.services!.byTag).toMatchObject([{ tag: 'blocked', services: ['Shop'], connections: 200 }])
    expect(report.servers[0]!.detections.map(({ hostname }) => hostname)).toContain('c2.shop.example')
    const events = readFileSync(ocsf, 'utf8')
      .trim()
      .split('\n')
      .map(
        line => JSON.parse(line) as { evidences?: { dst_endpoint?: { ip?: string; hostname?: string } }[] },
      )
    const endpoints = events
      .flatMap(({ evidences }) => evidences ?? [])
      .map(({ dst_endpoint }) => dst_endpoint)
    expect(endpoints).toContainEqual(
      expect.objectContaining({ ip: germanServer, hostname: 'c2.shop.example' }),
    )
  })

  it('refuses a list with a fault, with its line', async () => {
    const { code, stderr } = await run(
      ...base(),
      '--services',
      file('bad.csv', 'domain,service\nno domain,A\n'),
    )
    expect(code).toBe(2)
    expect(stderr).toContain('bad.csv:2: "no domain" is no domain name')
  })
})
