import { isoTime } from '../core/time.ts'
import type { StoredDraft } from './draft-format.ts'

/** More than everything but the body can take. */
export const payloadOverheadBytes = 1024

/**
 * The payload's canonical JSON, put together from parts that are canonical already (hot path: printing the whole
 * object through `canonicalJson` costs five times as much; `test/properties/sequencer` holds both to be equal).
 */
export function printPayload(draft: StoredDraft, region: string, seq: number, prev: string): string {
  const { body, entryId, tenant, timeUnixMs, type } = draft
  return (
    `{"body":${body},"id":"${entryId}","prev":"${prev}","region":"${region}","seq":${seq},` +
    `"tenant":"${tenant}","time":"${isoTime(timeUnixMs)}","type":"${type}","v":1}`
  )
}
