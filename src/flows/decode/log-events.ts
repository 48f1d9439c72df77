import type { ByteSource } from './byte-source.ts'
import { JsonStrings } from './json-strings.ts'
import type { Notes } from './notes.ts'

const newline = 0x0a

/**
 * The messages of log events in JSON, one a line: how CloudWatch hands a flow log on, by subscription (`logEvents`)
 * and by its API (`events`), documents end to end.
 */
export async function* logEventLines(source: ByteSource, notes: Notes): AsyncGenerator<Uint8Array> {
  let lines: Buffer[] = []
  const strings = new JsonStrings((name, value) => {
    if (name === 'message') lines.push(Buffer.from(value), Buffer.of(newline))
  })
  for await (const chunk of source.rest()) {
    strings.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length))
    if (lines.length > 0) yield Buffer.concat(lines)
    lines = []
  }
  if (!strings.isClosed) notes.unread('log events: cut off before the end of their JSON')
}
