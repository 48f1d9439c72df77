/**
 * `multipart/form-data` as it comes (RFC 7578): one part after the other, holding no more than a chunk and a boundary.
 */
import { S3Error } from '../errors.ts'

export interface FormPart {
  readonly name: string
  /** `null`: a field and no file. */
  readonly filename: string | null
  /** To be read to its end before the next part is asked for. */
  readonly content: AsyncGenerator<Buffer, void>
}

export interface FormReader {
  /** `null` after the last one. */
  next(): Promise<FormPart | null>
  close(): Promise<void>
}

const maxHeadBytes = 8 * 1024
const lineEnd = Buffer.from('\r\n')
const headEnd = Buffer.from('\r\n\r\n')

/** The boundary of a content type; `null`: it is no form. */
export function boundaryOf(contentType: string | undefined): string | null {
  if (contentType === undefined || !/^multipart\/form-data\s*(;|$)/i.test(contentType)) return null
  const match = /;\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType)
  if (match === null) throw malformed()
  return match[1] ?? match[2]!
}

export function createFormReader(source: AsyncGenerator<Buffer, void>, boundary: string): FormReader {
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  // As if a line had ended before the first boundary, as one has before every other.
  let held: Buffer = lineEnd

  const more = async (): Promise<void> => {
    const step = await source.next()
    if (step.done === true) throw malformed()
    held = held.length === 0 ? step.value : Buffer.concat([held, step.value])
  }

  async function* untilBoundary(): AsyncGenerator<Buffer, void> {
    for (;;) {
      const at = held.indexOf(delimiter)
      if (at >= 0) {
        const before = held.subarray(0, at)
        held = held.subarray(at + delimiter.length)
        if (before.length > 0) yield before
        return
      }
      // The last bytes may be the beginning of a boundary.
      const safe = held.length - delimiter.length + 1
      if (safe > 0) {
        const before = held.subarray(0, safe)
        held = held.subarray(safe)
        yield before
      }
      await more()
    }
  }

  /** Up to and with `end`, which is not part of it. */
  const take = async (end: Buffer): Promise<string> => {
    let at = held.indexOf(end)
    while (at < 0) {
      if (held.length > maxHeadBytes) throw malformed()
      await more()
      at = held.indexOf(end)
    }
    if (at > maxHeadBytes) throw malformed()
    const text = held.toString('utf8', 0, at)
    held = held.subarray(at + end.length)
    return text
  }

  let current: AsyncGenerator<Buffer, void> | null = null
  let isOver = false

  return {
    async next() {
      if (isOver) return null
      let bytes = 0
      for await (const chunk of current ?? untilBoundary()) {
        bytes += chunk.length
        if (bytes > maxHeadBytes) throw malformed()
      }
      while (held.length < 2) await more()
      if (held.toString('latin1', 0, 2) === '--') {
        isOver = true
        return null
      }
      if ((await take(lineEnd)).trim() !== '') throw malformed()
      // A part may have no headers at all; one of a form has.
      const head = parseHead(await take(headEnd))
      current = untilBoundary()
      return { ...head, content: current }
    },

    async close() {
      await source.return()
    },
  }
}

function parseHead(text: string): Pick<FormPart, 'name' | 'filename'> {
  const disposition = text.split('\r\n').find(line => /^content-disposition:/i.test(line))
  const name = disposition === undefined ? null : parameter(disposition, 'name')
  if (disposition === undefined || name === null || !/:\s*form-data\s*(;|$)/i.test(disposition))
    throw malformed()
  return { name, filename: parameter(disposition, 'filename') }
}

/** Browsers write a quote in a name as `%22` (HTML, "multipart form data"), others with a backslash. */
function parameter(disposition: string, name: string): string | null {
  const match = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^\\s;"]+))`, 'i').exec(disposition)
  if (match === null) return null
  return (match[1]?.replace(/\\(["\\])/g, '$1') ?? match[2]!).replaceAll('%22', '"')
}

function malformed(): S3Error {
  return new S3Error('MalformedPOSTRequest')
}
