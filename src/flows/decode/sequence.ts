import type { Notes } from './notes.ts'

/** Streams of numbers that one input may have; past that, gaps are no longer looked for (and that is noted). */
const maxStreams = 10_000
/** A jump past this is a restart of the exporter, not so many lost records. */
const maxPlausibleGap = 2 ** 24

type LastNumber = {
  sequence: number
  /** Whether the stream's steps showed that a number counts its own message; `null` when none has told yet. */
  countsItself: boolean | null
  /** A gap that is one only if numbers do not count their own message: noted once that has shown. */
  suspectedGap: number
}

export type StreamExpectation = {
  readonly stream: string
  readonly expected: number
  readonly last: Readonly<LastNumber> | null
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
    for (const [stream, expected] of this.#expected) {
      const last = this.#last.get(stream)
      yield { stream, expected, last: last === undefined ? null : { ...last } }
    }
  }

  expect({ stream, expected, last }: StreamExpectation): void {
    this.#expected.set(stream, expected)
    if (last !== null) this.#last.set(stream, { ...last })
  }

  /**
   * `count` is by how much this message moves the number on; `null` when it cannot be told. RFC 7011 numbers a message
   * by what was sent before it; some exporters by what was sent with it, so with `mayCountItself` the stream's own
   * steps show which.
   */
  saw(stream: string, sequence: number, count: number | null, mayCountItself = false): void {
    const usual = this.#expected.get(stream)
    if (usual === undefined && this.#expected.size >= maxStreams) {
      this.#notes.remark(`more than ${maxStreams} exporters: sequence gaps of the others were not looked for`)
      return
    }
    const last = this.#last.get(stream)
    const itself = last !== undefined && count !== null ? (last.sequence + count) >>> 0 : null
    const isOne =
      usual !== undefined && itself !== null && this.#mayCountItself(stream, last!, sequence, usual, itself)
    const expected = isOne ? itself : usual
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
    if (last !== undefined) last.sequence = sequence
    else if (mayCountItself && this.#last.size < maxStreams) {
      this.#last.set(stream, { sequence, countsItself: null, suspectedGap: 0 })
    }
    if (count === null) this.#expected.delete(stream)
    else this.#expected.set(stream, (sequence + count) >>> 0)
  }

  /** No more input will come: a gap that nothing explained away is one. */
  end(): void {
    for (const [stream, last] of this.#last) {
      if (last.suspectedGap > 0) this.#notes.lost(stream, last.suspectedGap)
      last.suspectedGap = 0
    }
  }

  /**
   * Whether this step is to be read as one of a stream whose numbers count their own message. A step that fits only
   * what is not the habit may as well be a gap of just that size, which must not be hidden: only what no loss can
   * explain turns a habit, and where there is none yet, a second such step.
   */
  #mayCountItself(
    stream: string,
    last: LastNumber,
    sequence: number,
    usual: number,
    itself: number,
  ): boolean {
    const fitsItself = sequence === itself
    const isTelling = usual !== itself && (fitsItself || sequence === usual)
    if (!isTelling || fitsItself === last.countsItself) return last.countsItself === true
    const gap = (sequence - (fitsItself ? usual : itself)) >>> 0
    const isExplainedByLoss = gap < maxPlausibleGap
    if (last.countsItself !== null) {
      if (!isExplainedByLoss) last.countsItself = fitsItself
      return last.countsItself
    }
    if (fitsItself && isExplainedByLoss && last.suspectedGap === 0) {
      last.suspectedGap = gap
      return true
    }
    if (!fitsItself && last.suspectedGap > 0) this.#notes.lost(stream, last.suspectedGap)
    last.suspectedGap = 0
    last.countsItself = fitsItself
    return fitsItself
  }
}
