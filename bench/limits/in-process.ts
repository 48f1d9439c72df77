/** What the machine itself allows, one thread, nothing around it. */
import { createCipheriv, randomBytes } from 'node:crypto'
import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** AES-256-GCM over segments of 64 KiB: bytes a second. */
export function rawAesGcm(seconds: number): number {
  const key = randomBytes(32)
  const plaintext = randomBytes(65_504)
  const until = performance.now() + seconds * 1000
  const started = performance.now()
  let bytes = 0
  while (performance.now() < until) {
    const cipher = createCipheriv('aes-256-gcm', key, randomBytes(12))
    cipher.update(plaintext)
    cipher.final()
    cipher.getAuthTag()
    bytes += plaintext.length
  }
  return bytes / ((performance.now() - started) / 1000)
}

/** Appends of `batch` KiB, each synced: KiB-records a second when `batch` writers share a sync. */
export function rawWriteAndSync(folder: string, batch: number, seconds: number): number {
  const path = join(folder, 'raw-sync')
  const file = openSync(path, 'w')
  const records = randomBytes(batch * 1024)
  const started = performance.now()
  let count = 0
  while (performance.now() < started + seconds * 1000) {
    writeSync(file, records)
    fdatasyncSync(file)
    count += batch
  }
  const perSecond = count / ((performance.now() - started) / 1000)
  closeSync(file)
  unlinkSync(path)
  return perSecond
}

/** One large file written and synced: bytes a second. */
export function rawStreamWrite(folder: string, totalBytes: number): number {
  const path = join(folder, 'raw-stream')
  const file = openSync(path, 'w')
  const block = randomBytes(1 << 20)
  const started = performance.now()
  for (let written = 0; written < totalBytes; written += block.length) writeSync(file, block)
  fdatasyncSync(file)
  const perSecond = totalBytes / ((performance.now() - started) / 1000)
  closeSync(file)
  unlinkSync(path)
  return perSecond
}
