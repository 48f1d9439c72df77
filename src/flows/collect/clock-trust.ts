/**
 * Whether the clock may decide what is old: one that jumped ahead would make everything look so. It is believed when
 * exporters, who have clocks of their own, agree with it, or when it has only gone on from where it was believed.
 * What the collector itself dated (sFlow says no date) is the same clock again and proves nothing.
 *
 * What the time should be is kept on disk (`clock.json`), so that a jump while nobody collects is seen too. Crash point:
 * a record that is older than it could be makes the next run doubt sooner, and never believe more.
 */
import { readFile } from 'node:fs/promises'
import { isMissing, writeFileDurable } from '../../store/durable-file.ts'
import { clockPath, hourMs } from './folder.ts'

export type ClockReading = {
  readonly nowUnixMs: number
  /** Of a clock that nobody sets, since this process began. */
  readonly monotonicMs: number
  /** The last time in an exporter's header that agreed with the clock when it arrived. */
  readonly agreedUnixMs: number | null
}

/** Times that are no further apart than this agree. */
const agreeMs = 24 * hourMs
/** A record on disk this old still does. */
const recordEveryMs = hourMs

export function agrees(a: number, b: number): boolean {
  return Math.abs(a - b) < agreeMs
}

export function createClockTrust(folder: string) {
  let last: { readonly unixMs: number; readonly monotonicMs: number } | null = null
  let recordedUnixMs: number | null = null

  return {
    /** `null` when the clock is believed; else what the time should be. */
    async doubt({ nowUnixMs, monotonicMs, agreedUnixMs }: ClockReading): Promise<number | null> {
      if (last === null) {
        recordedUnixMs = await readRecord(folder)
        last = { unixMs: recordedUnixMs ?? nowUnixMs, monotonicMs }
      }
      const expectedUnixMs = last.unixMs + (monotonicMs - last.monotonicMs)
      const isAgreed = agreedUnixMs !== null && agrees(agreedUnixMs, nowUnixMs)
      const isBelieved = isAgreed || agrees(expectedUnixMs, nowUnixMs)
      last = { unixMs: isBelieved ? nowUnixMs : expectedUnixMs, monotonicMs }
      return isBelieved ? null : expectedUnixMs
    },
    async record(): Promise<void> {
      if (last === null) return
      const unixMs = Math.round(last.unixMs)
      if (recordedUnixMs !== null && Math.abs(unixMs - recordedUnixMs) < recordEveryMs) return
      await writeFileDurable(clockPath(folder), Buffer.from(`${JSON.stringify({ unixMs })}\n`), 0o600)
      recordedUnixMs = unixMs
    },
  }
}

/** `null` where there is none yet. A damaged one agrees with no clock, so that an exporter has to. */
async function readRecord(folder: string): Promise<number | null> {
  let text: string
  try {
    text = await readFile(clockPath(folder), 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw error
  }
  try {
    const { unixMs } = JSON.parse(text) as { unixMs?: unknown }
    if (typeof unixMs === 'number' && Number.isSafeInteger(unixMs)) return unixMs
  } catch {
    // As one that says nothing.
  }
  return 0
}
