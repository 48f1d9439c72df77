import { createHash } from 'node:crypto'
import { concat } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { sha256Hex } from '../crypto/sigv4.ts'
import type { Depot } from '../store/depot.ts'
import { readFileBytes } from '../store/folder-depot.ts'
import type { S3Client } from './s3-client.ts'

export interface S3DepotOptions {
  readonly name: string
  /** In front of every key, without `/` at its ends; empty: none. */
  readonly prefix: string
  /** What is longer goes up in parts of this size, or of more where there would be more than 10,000. */
  readonly partBytes?: number
}

const maxParts = 10_000
/** A range of a file that is read; the door takes answers of up to 16 MiB. */
const rangeBytes = 8 << 20

/**
 * Files as objects of a bucket. Each carries its SHA-256 as metadata, so that it need not be read to be told from
 * another. S3 answers once an object is safe, so there is nothing to sync.
 *
 * Crash points: a long file that was under way leaves an upload that nobody completes and that shows in no listing;
 * a rule of the bucket (AbortIncompleteMultipartUpload) clears it away.
 */
export function createS3Depot(client: S3Client, options: S3DepotOptions): Depot {
  const { name, prefix, partBytes = 16 << 20 } = options
  const keyOf = (path: string): string => (prefix === '' ? path : `${prefix}/${path}`)

  const putParts = async (key: string, source: string, bytes: number, sha256: string): Promise<void> => {
    const size = Math.max(partBytes, Math.ceil(bytes / maxParts))
    const uploadId = await client.beginUpload(key, { 'x-amz-meta-sha256': sha256 })
    try {
      const etags: string[] = []
      const again = createHash('sha256')
      let part = Buffer.allocUnsafe(size)
      let filled = 0
      const flush = async (): Promise<void> => {
        etags.push(await client.putPart(key, uploadId, etags.length + 1, part.subarray(0, filled)))
        part = Buffer.allocUnsafe(size)
        filled = 0
      }
      for await (const chunk of readFileBytes(source, bytes)) {
        again.update(chunk)
        for (let rest = chunk; rest.length > 0; ) {
          const take = Math.min(rest.length, size - filled)
          part.set(rest.subarray(0, take), filled)
          filled += take
          rest = rest.subarray(take)
          if (filled === size) await flush()
        }
      }
      if (filled > 0) await flush()
      if (again.digest('hex') !== sha256)
        throw new HoldfastError('store-damaged', `${source} changed while it was read`)
      await client.completeUpload(key, uploadId, etags)
      const found = await client.head(key)
      if (found?.bytes !== bytes)
        throw new HoldfastError('peer-refused', `${name} has ${found?.bytes} bytes of ${key}, not ${bytes}`)
    } catch (error) {
      await client.abortUpload(key, uploadId).catch(() => {})
      throw error
    }
  }

  const depot: Depot = {
    name,

    put(path, bytes, headers) {
      return client.put(keyOf(path), bytes, {
        'content-type': headers?.contentType ?? 'application/octet-stream',
        ...(headers && { 'cache-control': headers.cacheControl }),
        'x-amz-meta-sha256': sha256Hex(bytes),
      })
    },

    async putFile(path, source, bytes) {
      if (bytes <= partBytes) {
        const chunks: Uint8Array[] = []
        for await (const chunk of readFileBytes(source, bytes)) chunks.push(new Uint8Array(chunk))
        const body = concat(...chunks)
        await depot.put(path, body)
        return sha256Hex(body)
      }
      const digest = createHash('sha256')
      for await (const chunk of readFileBytes(source, bytes)) digest.update(chunk)
      const sha256 = digest.digest('hex')
      await putParts(keyOf(path), source, bytes, sha256)
      return sha256
    },

    async get(path) {
      const chunks: Uint8Array[] = []
      try {
        for await (const chunk of depot.read(path)) chunks.push(chunk)
      } catch (error) {
        if (error instanceof HoldfastError && error.code === 'not-found') return null
        throw error
      }
      return concat(...chunks)
    },

    async *read(path) {
      const key = keyOf(path)
      const found = await client.head(key)
      if (found === null) throw new HoldfastError('not-found', `there is no ${path} in ${name}`)
      for (let at = 0; at < found.bytes; at += rangeBytes)
        yield await client.getRange(key, at, Math.min(found.bytes, at + rangeBytes), found)
    },

    find: async path => client.head(keyOf(path)),

    async *list(from) {
      const cut = prefix === '' ? 0 : prefix.length + 1
      for await (const { key, bytes } of client.list(keyOf(from))) yield { path: key.slice(cut), bytes }
    },

    remove: path => client.remove(keyOf(path)),

    sync: async () => {},
    sweep: async () => {},
  }
  return depot
}

/** The file with a remote's credentials: JSON with `accessKeyId` and `secretAccessKey`. Its content is in no message. */
export function parseCredentials(
  text: string,
  path: string,
): { readonly accessKeyId: string; readonly secretAccessKey: string } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not the parser's message, which quotes what it read.
    throw new HoldfastError('bad-input', `${path} is not JSON`)
  }
  const { accessKeyId, secretAccessKey } = (value ?? {}) as Record<string, unknown>
  if (
    typeof accessKeyId !== 'string' ||
    typeof secretAccessKey !== 'string' ||
    !accessKeyId ||
    !secretAccessKey
  )
    throw new HoldfastError('bad-input', `${path} has no accessKeyId and secretAccessKey`)
  return { accessKeyId, secretAccessKey }
}
