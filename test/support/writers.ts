/** Many clients that write without pause, and remember exactly what was acknowledged. */
import { createHash } from 'node:crypto'
import type { Chance } from './random.ts'
import type { S3, S3Reply } from './s3.ts'

export interface Acknowledged {
  readonly sha256: string
  readonly entry: string
}

export interface Writers {
  /** By path: what the store has said it holds. A path is written once. */
  readonly acknowledged: Map<string, Acknowledged>
  /** Answers that are neither success nor a break of the connection. */
  readonly unexpected: string[]
  /** Resolves when every writer has met a broken connection. */
  run(): Promise<void>
}

/** `prefix` is `/bucket/…` and must be new. */
export function createWriters(s3: S3, prefix: string, count: number, chance: Chance): Writers {
  const acknowledged = new Map<string, Acknowledged>()
  const unexpected: string[] = []
  let number = 0

  const write = async (writer: number): Promise<void> => {
    for (;;) {
      const path = `${prefix}/${writer}/${number++}`
      // Mostly small (in the catalog), some in files, a few in parts.
      const kind = chance.below(20)
      const body = chance.bytes(kind < 14 ? chance.below(12_000) : 20_000 + chance.below(200_000))
      let reply: S3Reply
      try {
        reply = kind === 19 ? await s3.putParts(path, [body]) : await s3.call('PUT', path, { body })
      } catch {
        return
      }
      if (reply.status !== 200) {
        unexpected.push(`${path}: ${reply.status} ${reply.code}`)
        return
      }
      const entry = String(reply.headers['x-holdfast-entry'])
      acknowledged.set(path, { sha256: sha256(body), entry })
    }
  }

  return {
    acknowledged,
    unexpected,
    run: async () => {
      await Promise.all(Array.from({ length: count }, (_, writer) => write(writer)))
    },
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
