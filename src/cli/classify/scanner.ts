/** Looks through content of any length in memory that does not grow with it. */
import { type Detector, detectors } from './detectors.ts'

export interface Candidate {
  readonly detector: Detector
  /** In one spelling. It stays in this process: what is printed is how many there are, and where. */
  readonly identifier: string
  readonly holds: boolean
  /** Of its first byte, and of the byte after it. */
  readonly start: number
  readonly end: number
}

interface Scanner {
  /** The bytes are good only for the time of the call. */
  push(bytes: Uint8Array): void
  /** `isWhole` false: more content follows that is not looked into, so what ends there may be a part of something. */
  end(isWhole: boolean): void
}

/** More than any detector looks ahead of a candidate's first byte: a place is judged once all of this is there. */
const reachBytes = 1024
/** More than any looks behind it. */
const behindBytes = 16
/** More than any looks beyond its last byte. */
const beyondBytes = 8

const isWord = Array.from({ length: 256 }, (_, code) => /[A-Za-z0-9]/.test(String.fromCharCode(code)))
const byFirst = Array.from({ length: 256 }, (_, code) =>
  detectors.filter(({ begins }) => begins.test(String.fromCharCode(code))),
)

/**
 * Whether a candidate begins at a place depends on the bytes around that place alone, not on what was found before.
 * So it does not matter where the content was cut into pieces.
 */
export function createScanner(found: (candidate: Candidate) => void, blockBytes = 1 << 16): Scanner {
  let text = ''
  /** Where `text` begins in the content, and where in `text` the next place to judge is. */
  let base = 0
  let next = 0
  let waiting: string[] = []
  let waitingBytes = 0

  const judge = (to: number, endsBefore: number): void => {
    let afterWord = next > 0 && isWord[text.charCodeAt(next - 1)]!
    for (let at = next; at < to; at++) {
      const code = text.charCodeAt(at)
      if (!afterWord)
        for (const detector of byFirst[code]!) {
          detector.pattern.lastIndex = at
          const match = detector.pattern.exec(text)
          if (match === null) continue
          const identifier = detector.shape(match[0])
          const end = at + match[0].length
          if (identifier === null || end > endsBefore) continue
          const holds = detector.check?.(identifier) ?? true
          found({ detector, identifier, holds, start: base + at, end: base + end })
        }
      afterWord = isWord[code]!
    }
    next = Math.max(next, to)
  }

  const take = (): void => {
    text += waiting.join('')
    waiting = []
    waitingBytes = 0
  }

  return {
    push(bytes) {
      // One character a byte: binary content is text like any other, and offsets are those of bytes.
      waiting.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1'))
      waitingBytes += bytes.byteLength
      if (waitingBytes < blockBytes) return
      take()
      judge(text.length - reachBytes, Number.POSITIVE_INFINITY)
      const gone = Math.max(0, next - behindBytes)
      text = text.slice(gone)
      base += gone
      next -= gone
    },

    end(isWhole) {
      take()
      judge(text.length, isWhole ? text.length : text.length - beyondBytes)
      text = ''
    },
  }
}
