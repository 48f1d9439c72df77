/**
 * The promises that a customer holds: lines of a file, synced before the answer that brought them goes on to the
 * client, so that what was promised can be shown even if everything here dies in the next moment.
 *
 * Crash points: half a line at the end is what a crash leaves, and is cut off at the next start; its answer never
 * reached the client. A rewrite without the promises that were kept replaces the file as a whole. After a write that
 * failed nobody knows what of it is on disk, so the next one replaces the file too.
 */
import { existsSync, readFileSync, truncateSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { utf8 } from '../../core/bytes.ts'
import { writeFileDurable } from '../../store/durable-file.ts'

export interface PromiseStore extends AsyncDisposable {
  /** As they are in the file, in the order in which they came. */
  all(): ReadonlySet<string>
  /** Resolves when they are on disk. */
  add(promises: readonly string[]): Promise<void>
  /** Those that were settled need not be kept. */
  drop(promises: ReadonlySet<string>): Promise<void>
}

export async function openPromiseStore(path: string): Promise<PromiseStore> {
  const held = new Set(readWhole(path))
  let file: FileHandle = await open(path, 'a', 0o600)
  let queue: string[] = []
  let last: Promise<void> = Promise.resolve()
  let isWhole = true

  /** One write after the other; what arrives during one shares the next sync. */
  const exclusively = (work: () => Promise<void>): Promise<void> => {
    const done = last.then(work)
    last = done.catch(() => {})
    return done
  }

  const rewrite = async (): Promise<void> => {
    queue = []
    const lines = [...held].map(promise => `${promise}\n`).join('')
    await writeFileDurable(path, utf8(lines), 0o600)
    const before = file
    file = await open(path, 'a', 0o600)
    await before.close()
  }

  const append = async (): Promise<void> => {
    const lines = queue
    queue = []
    if (lines.length === 0) return
    await file.appendFile(`${lines.join('\n')}\n`)
    await file.datasync()
  }

  /** Also for promises whose lines another call wrote, or failed to write. */
  const flush = async (): Promise<void> => {
    const wasWhole = isWhole
    isWhole = false
    await (wasWhole ? append() : rewrite())
    isWhole = true
  }

  return {
    all: () => held,

    add(promises) {
      for (const promise of promises) {
        if (held.has(promise)) continue
        held.add(promise)
        queue.push(promise)
      }
      return exclusively(flush)
    },

    drop(promises) {
      for (const promise of promises) held.delete(promise)
      return exclusively(() => {
        isWhole = false
        return flush()
      })
    },

    async [Symbol.asyncDispose]() {
      await exclusively(flush).finally(() => file.close())
    },
  }
}

function readWhole(path: string): string[] {
  if (!existsSync(path)) return []
  const text = readFileSync(path, 'latin1')
  const end = text.lastIndexOf('\n') + 1
  if (end < text.length) truncateSync(path, end)
  return text
    .slice(0, end)
    .split('\n')
    .filter(line => line !== '')
}
