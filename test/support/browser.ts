/** Debian's Chromium, driven by puppeteer-core. */
import puppeteer, { type Browser } from 'puppeteer-core'

/** Without a sandbox of its own, because tests may run as root; it opens nothing but pages of ours. */
export function startBrowser(): Promise<Browser> {
  return puppeteer.launch({
    timeout: 120_000,
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
}
