/** Looks through one file or object, and its name. */
import { containerOf, headBytes } from './containers.ts'
import { createScanner } from './scanner.ts'
import type { createTally, Source } from './tally.ts'

export type Looked =
  | { readonly how: 'whole' | 'partly'; readonly bytes: number }
  | { readonly how: 'not'; readonly why: string }

type Tally = Pick<ReturnType<typeof createTally>, 'add'>

/** `maxBytes`: what comes after so many is left. Rejects when the content cannot be read. */
export async function lookInto(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  source: Source,
  maxBytes: number,
  tally: Tally,
): Promise<Looked> {
  const scanner = createScanner(candidate => tally.add(candidate, { source, offset: candidate.start }))
  let head: Uint8Array | null = new Uint8Array(0)
  let bytes = 0
  let isWhole = true
  for await (const chunk of content) {
    if (head !== null) {
      head = Buffer.concat([head, chunk.subarray(0, headBytes - head.length)])
      const container = containerOf(head)
      if (container !== null) return { how: 'not', why: container }
      if (head.length === headBytes) head = null
    }
    const looked = chunk.subarray(0, maxBytes - bytes)
    scanner.push(looked)
    bytes += looked.length
    if (looked.length < chunk.length) {
      isWhole = false
      break
    }
  }
  scanner.end(isWhole)
  return { how: isWhole ? 'whole' : 'partly', bytes }
}

/**
 * A key may be an identifier itself, such as `mail/jane@example.org`: that counts as a find, and the name is not shown
 * with it. What could drive a terminal is not shown either.
 */
export function lookAtName(name: string, tally: Tally): Source {
  const bytes = Buffer.from(name)
  const spans: { start: number; end: number; kind: string }[] = []
  const found: Parameters<Tally['add']>[0][] = []
  const scanner = createScanner(candidate => {
    found.push(candidate)
    if (candidate.holds) spans.push({ ...candidate, kind: candidate.detector.kind })
  })
  scanner.push(bytes)
  scanner.end(true)
  const shown: string[] = []
  let at = 0
  for (const { start, end, kind } of spans) {
    if (start < at) continue
    shown.push(bytes.toString('utf8', at, start), `<${kind}>`)
    at = end
  }
  shown.push(bytes.toString('utf8', at))
  const source = { shown: shown.join('').replaceAll(/\p{C}/gu, '\ufffd') }
  for (const candidate of found) tally.add(candidate, { source, offset: null })
  return source
}
