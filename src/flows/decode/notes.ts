/**
 * What an input holds besides the flows that were read from it. Nothing is dropped in silence: bytes that make no
 * sense are `unread`, well-formed rows that are not traffic are `setAside`, what an exporter says it sent and we
 * never saw is `lost`.
 */
export type NoteCount = { readonly reason: string; readonly count: number; readonly bytes: number }

/** Reasons can hold a number from the input (an ethertype); a hostile file must not fill the memory with them. */
const usualReasons = 256

export class Notes {
  readonly #unread = new Map<string, { count: number; bytes: number }>()
  readonly #setAside = new Map<string, { count: number; bytes: number }>()
  readonly #lost = new Map<string, { count: number; bytes: number }>()
  readonly #remarks = new Set<string>()
  readonly #maxReasons: number

  constructor(maxReasons = usualReasons) {
    this.#maxReasons = maxReasons
  }

  unread(reason: string, bytes = 0, count = 1): void {
    add(this.#unread, reason, count, bytes, this.#maxReasons)
  }

  setAside(reason: string, count = 1, bytes = 0): void {
    add(this.#setAside, reason, count, bytes, this.#maxReasons)
  }

  lost(reason: string, count: number): void {
    add(this.#lost, reason, count, 0, this.#maxReasons)
  }

  /** Something a reader of the report must know about this input, once. */
  remark(text: string): void {
    if (this.#remarks.size < this.#maxReasons) this.#remarks.add(text)
  }

  summary(): InputNotes {
    return {
      unread: list(this.#unread),
      setAside: list(this.#setAside),
      lost: list(this.#lost),
      remarks: [...this.#remarks],
    }
  }
}

export const noteKinds = ['unread', 'setAside', 'lost'] as const

export type InputNotes = {
  readonly unread: readonly NoteCount[]
  readonly setAside: readonly NoteCount[]
  readonly lost: readonly NoteCount[]
  readonly remarks: readonly string[]
}

function add(
  map: Map<string, { count: number; bytes: number }>,
  reason: string,
  count: number,
  bytes: number,
  maxReasons: number,
) {
  const key = map.has(reason) || map.size < maxReasons ? reason : 'other reasons'
  const entry = map.get(key)
  if (entry === undefined) map.set(key, { count, bytes })
  else {
    entry.count += count
    entry.bytes += bytes
  }
}

function list(map: ReadonlyMap<string, { count: number; bytes: number }>): NoteCount[] {
  return [...map]
    .map(([reason, { count, bytes }]) => ({ reason, count, bytes }))
    .sort((a, b) => b.count - a.count || (a.reason < b.reason ? -1 : 1))
}
