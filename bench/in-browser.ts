/** The library as a browser runs it: how long Chromium takes for a receipt. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startBrowser } from '../test/support/browser.ts'

/** Milliseconds, of 200 in a row; `first` is the one that the engine had not seen before. */
export interface BrowserTimes {
  readonly p50: number
  readonly p99: number
  readonly first: number
  /** Of the receipt's proof. */
  readonly hashes: number
}

export async function timeInBrowser(folder: string, receipt: string, trust: string): Promise<BrowserTimes> {
  const code = readFileSync(join(import.meta.dirname, '..', 'dist', 'verify.js'), 'utf8')
  const browser = await startBrowser()
  try {
    const page = await browser.newPage()
    writeFileSync(join(folder, 'empty.html'), '<!doctype html>')
    await page.goto(`file://${join(folder, 'empty.html')}`)
    const script = `(async () => {
      const url = URL.createObjectURL(new Blob([${JSON.stringify(code)}], { type: 'text/javascript' }))
      const { parseTrust, pureVerifyCrypto, verifyReceipt } = await import(url)
      const trust = parseTrust(${JSON.stringify(trust)}, pureVerifyCrypto)
      const receipt = ${JSON.stringify(receipt)}
      const times = []
      for (let i = 0; i < 200; i++) {
        const at = performance.now()
        if (!verifyReceipt(receipt, trust, pureVerifyCrypto).verified) throw new Error('it does not verify')
        times.push(performance.now() - at)
      }
      const first = times[0]
      times.sort((a, b) => a - b)
      return [times[100], times[198], first]
    })()`
    const [p50, p99, first] = (await page.evaluate(script)) as [number, number, number]
    return { p50, p99, first, hashes: receipt.split('\n\n')[0]!.split('\n').length - 3 }
  } finally {
    await browser.close()
  }
}
