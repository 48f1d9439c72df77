/**
 * The `aws-chunked` coding, signed or not, with or without trailer, as a push parser that never holds more than a
 * line ("Signature calculations: transferring payload in multiple chunks", S3 API Reference).
 */
import { createHash, type Hash } from 'node:crypto'
import { equalSecrets } from '../crypto/constant-time.ts'
import { emptySha256, scopeText, sha256Hex, signatureOf } from '../crypto/sigv4.ts'
import type { ChunkSigning } from './authenticate.ts'
import { S3Error } from './errors.ts'

export interface ChunkedDecoder {
  /** Plaintext bytes of the input, as views into it. */
  push(bytes: Buffer): Buffer[]
  /** Trailer fields by lower-case name. Throws unless the final chunk, and the trailer if one is due, was seen. */
  end(): ReadonlyMap<string, string>
}

const maxLineBytes = 8192
const maxTrailerLines = 16
const minChunkBytes = 8192

export function createChunkedDecoder(signing: ChunkSigning | null, hasTrailer: boolean): ChunkedDecoder {
  let state: 'size' | 'data' | 'data-end' | 'trailer' | 'done' = 'size'
  let line = Buffer.alloc(0)
  let left = 0
  let sawShortChunk = false
  let previousSignature = signing?.seedSignature ?? ''
  let chunkSignature = ''
  let hash: Hash | null = null
  const trailer = new Map<string, string>()
  let trailerText = ''

  const takeLine = (bytes: Buffer): { text: string | null; rest: Buffer } => {
    const newline = bytes.indexOf(10)
    const upTo = newline < 0 ? bytes.length : newline + 1
    if (line.length + upTo > maxLineBytes) throw malformed()
    line = Buffer.concat([line, bytes.subarray(0, upTo)])
    if (newline < 0) return { text: null, rest: bytes.subarray(upTo) }
    const text = line.toString('latin1')
    line = Buffer.alloc(0)
    // The trailer's own lines may end in a bare newline; chunk headers may not.
    if (!text.endsWith('\r\n') && state !== 'trailer') throw malformed()
    return { text: text.replace(/\r?\n$/, ''), rest: bytes.subarray(upTo) }
  }

  const startChunk = (text: string): void => {
    const match = /^([0-9a-fA-F]{1,8})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(text)
    if (match === null || (signing !== null && match[2] === undefined)) throw malformed()
    if (sawShortChunk && match[1] !== '0')
      throw new S3Error(
        'InvalidRequest',
        'Only the last chunk is allowed to have a size less than 8192 bytes.',
      )
    left = Number.parseInt(match[1]!, 16)
    if (signing !== null && left > 0 && left < minChunkBytes) sawShortChunk = true
    chunkSignature = match[2] ?? ''
    if (signing !== null) hash = createHash('sha256')
    if (left > 0) state = 'data'
    else {
      endChunk()
      state = 'trailer'
    }
  }

  const endChunk = (): void => {
    if (signing === null) return
    const text = `AWS4-HMAC-SHA256-PAYLOAD\n${signing.amzDate}\n${scopeText(signing.scope)}\n${previousSignature}\n${emptySha256}\n${hash!.digest('hex')}`
    const expected = signatureOf(signing.key, text)
    if (!equalSecrets(expected, chunkSignature)) throw new S3Error('SignatureDoesNotMatch')
    previousSignature = expected
  }

  const trailerLine = (text: string): void => {
    if (text === '') {
      // With a signed trailer the signature is its last line.
      state = 'done'
      return
    }
    if (!hasTrailer || trailer.size >= maxTrailerLines) throw malformed()
    const colon = text.indexOf(':')
    if (colon <= 0) throw malformed()
    const name = text.slice(0, colon).toLowerCase()
    const value = text.slice(colon + 1).trim()
    if (name === 'x-amz-trailer-signature') {
      if (signing === null) return
      const signed = `AWS4-HMAC-SHA256-TRAILER\n${signing.amzDate}\n${scopeText(signing.scope)}\n${previousSignature}\n${sha256Hex(trailerText)}`
      if (!equalSecrets(signatureOf(signing.key, signed), value)) throw new S3Error('SignatureDoesNotMatch')
      trailer.set(name, value)
      return
    }
    trailer.set(name, value)
    trailerText += `${name}:${value}\n`
  }

  return {
    push(bytes) {
      const out: Buffer[] = []
      let rest = bytes
      while (rest.length > 0) {
        if (state === 'data') {
          const take = rest.subarray(0, left)
          rest = rest.subarray(take.length)
          left -= take.length
          hash?.update(take)
          out.push(take)
          if (left === 0) state = 'data-end'
        } else if (state === 'done') {
          throw malformed()
        } else {
          const taken = takeLine(rest)
          rest = taken.rest
          if (taken.text === null) break
          if (state === 'size') startChunk(taken.text)
          else if (state === 'trailer') trailerLine(taken.text)
          else {
            if (taken.text !== '') throw malformed()
            endChunk()
            state = 'size'
          }
        }
      }
      return out
    },

    end() {
      // Some clients leave out the empty line after the last chunk.
      const cut = state !== 'done' && !(state === 'trailer' && line.length === 0 && !hasTrailer)
      if (cut) throw new S3Error('IncompleteBody')
      if (hasTrailer && signing !== null && !trailer.has('x-amz-trailer-signature')) throw malformed()
      return trailer
    },
  }
}

function malformed(): S3Error {
  return new S3Error('InvalidRequest', 'The aws-chunked body is not well formed.')
}
