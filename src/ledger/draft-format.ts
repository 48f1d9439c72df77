import { fromUtf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'

/**
 * A row of `drafts`: an entry that is durable and has no number yet. Six lines of text, the last one the body as
 * canonical JSON (which has no line breaks), so that the sequencer passes it on without parsing it.
 */
export interface StoredDraft {
  readonly entryId: string
  readonly tenant: string
  readonly type: string
  readonly timeUnixMs: number
  /** Canonical JSON. */
  readonly body: string
}

const version = '1'

export function encodeDraft({ entryId, tenant, type, timeUnixMs, body }: StoredDraft): Uint8Array {
  return Buffer.from(`${version}\n${entryId}\n${tenant}\n${type}\n${timeUnixMs}\n${body}`)
}

export function decodeDraft(bytes: Uint8Array): StoredDraft {
  const [format, entryId, tenant, type, time, body] = fromUtf8(bytes).split('\n')
  if (format !== version || !entryId || !tenant || !type || !time || !body) {
    throw new HoldfastError('format-unknown', `a draft is not in format ${version}`)
  }
  return { entryId, tenant, type, timeUnixMs: Number(time), body }
}
