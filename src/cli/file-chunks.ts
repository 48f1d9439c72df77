import { closeSync, openSync, readSync } from 'node:fs'

const readBytes = 1 << 20

/** A file piece by piece; each piece is good until the next is asked for. */
export function* chunksOf(path: string): Generator<Uint8Array> {
  const buffer = Buffer.alloc(readBytes)
  const file = openSync(path, 'r')
  try {
    for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer))
      yield buffer.subarray(0, read)
  } finally {
    closeSync(file)
  }
}
