import type { Notes } from './notes.ts'

/** Streams of numbers that one input may have; past that, gaps are no longer looked for (and that is noted). */
const maxStreams = 10_000
/** A jump past this is a restart of the exporter, not so many lost records. */
const maxPlausibleGap = 2 ** 24

type LastNumber = { readonly sequence: number; readonly countsItself: boolean }

export type StreamExpectation = {
  readonly stream: string
  readonly expected: number
  readonly last: LastNumber | null
}

/** Finds what exporters sent and we never saw. A gap means missing coverage; it is never read as zero traffic. */
export class SequenceTracker {
  readonly #expected = new Map<string, number>()
  /** The last number itself, for exporters that count a message's own records before they number it. */
  readonly #last = new Map<string, LastNumber>()
  readonly #notes: Notes

  constructor(notes: Notes) {
    this.#notes = notes
  }

  /** What is expected next of each stream, for one who goes on later. */
  *expectations(): Generator<StreamExpectation> {
    for (const [stream, expected] of this.#expected)
      yield { stream, expected, last: this.#last.get(stream) ?? null }
  }

  expect({ stream, expected, last }: StreamExpectation): void {
    this.#expected.set(stream, expected)
    if (last !== null) this.#last.set(stream, last)
  }

  /**
   * `count` is by how much this message moves the number on; `null` when it cannot be told. RFC 7011 numbers a message
   * by what was sent before it; some exporters by what was sent with it, so `mayCountItself` takes that as whole too.
   */
  saw(stream: string, sequence: number, count: number | null, mayCountItself = false): void {
    const last = this.#last.get(stream)
    const itself = last !== undefined && count !== null ? (last.sequence + count) >>> 0 : null
    const usual = this.#expected.get(stream)
    const countsItself = itself !== null && usual !== sequence && (itself === sequence || last!.countsItself)
    const expected = usual !== undefined && countsItself ? itself! : usual
    if (expected === undefined && this.#expected.size >= maxStreams) {
      this.#notes.remark(`more than ${maxStreams} exporters: sequence gaps of the others were not looked for`)
      return
    }
    if (expected !== undefined && expected !== sequence) {
      const gap = (sequence - expected) >>> 0
      const behind = (expected - sequence) >>> 0
      if (gap < maxPlausibleGap) this.#notes.lost(stream, gap)
      else if (behind < maxPlausibleGap)
        this.#notes.setAside(`${stream}: number seen before, or out of order`)
      else this.#notes.remark(`${stream}: numbering started anew`)
      // A late message must not move the expectation back, or the next one would look like a gap.
      if (gap >= maxPlausibleGap && behind < maxPlausibleGap && behind < 1000 && sequence !== 0) return
    }
    if (mayCountItself && (last !== undefined || this.#last.size < maxStreams)) {
      this.#last.set(stream, { sequence, countsItself })
    }
    if (count === null) this.#expected.delete(stream)
    else this.#expected.set(stream, (sequence + count) >>> 0)
  }
}
