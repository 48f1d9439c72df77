/**
 * The key holder's journal: the customer's own book of every use of its keys. One canonical JSON object a line, each
 * with the SHA-256 of the line before, appended and synced before the holder answers: no key leaves unbooked.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, truncateSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { canonicalJson, type Json, parseCanonicalJson } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { type Clock, isoTime } from '../core/time.ts'

export interface Journal extends AsyncDisposable {
  append(fields: { readonly [key: string]: Json }): Promise<void>
}

const zero = '0'.repeat(64)

export async function openJournal(path: string, clock: Clock): Promise<Journal> {
  let { number, previous } = recover(path)
  const handle: FileHandle = await open(path, 'a', 0o600)
  let tail: Promise<void> = Promise.resolve()
  let broken: unknown = null

  return {
    append(fields) {
      const line = `${canonicalJson({ ...fields, n: number, prev: previous, time: isoTime(clock()), v: 1 })}\n`
      number++
      previous = hashOf(line)
      // Group commit is not worth it here: a lease costs one line in minutes.
      tail = tail.then(async () => {
        // After a failed write the end of the file is unknown; going on could put a line after half a line.
        if (broken !== null)
          throw new HoldfastError('store-damaged', 'the journal could not be written', {}, broken)
        try {
          await handle.appendFile(line)
          await handle.datasync()
        } catch (error) {
          broken = error
          throw error
        }
      })
      const mine = tail
      tail = tail.catch(() => {})
      return mine
    },

    async [Symbol.asyncDispose]() {
      await tail
      await handle.close()
    },
  }
}

/** Checks the chain from the first line on; a half-written last line is what a crash leaves and is cut off. */
function recover(path: string): { number: number; previous: string } {
  if (!existsSync(path)) return { number: 0, previous: zero }
  const text = readFileSync(path, 'utf8')
  const end = text.lastIndexOf('\n') + 1
  if (end < text.length) truncateSync(path, Buffer.byteLength(text.slice(0, end)))
  let previous = zero
  let number = 0
  for (const line of text.slice(0, end).split('\n').slice(0, -1)) {
    const row = parseCanonicalJson(line) as { n?: Json; prev?: Json } | null
    if (row === null || row.n !== number || row.prev !== previous) {
      throw new HoldfastError(
        'store-damaged',
        `${path} line ${number + 1} does not follow from the one before`,
      )
    }
    previous = hashOf(`${line}\n`)
    number++
  }
  return { number, previous }
}

function hashOf(line: string): string {
  return createHash('sha256').update(line).digest('hex')
}
