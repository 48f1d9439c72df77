/** A public log as anybody can read it: a URL, or a folder. What comes from here is believed by nobody. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { limitedBody } from '../limited-body.ts'

export interface LogSource {
  /** Where it is, for people. */
  readonly name: string
  /** A resource by its path under the prefix; `null` when it is not there. `peer-unavailable` when that is not known. */
  read(path: string): Promise<Uint8Array | null>
}

/** A full bundle of our leaves has 19,200 bytes, a list of keys some hundreds a rotation. */
const maxBytes = 1 << 20
const answerMs = 30_000
const waitsMs = [500, 1000, 2000]

export function openLogSource(where: string): LogSource {
  return /^https?:\/\//.test(where) ? httpSource(where) : folderSource(where)
}

function folderSource(folder: string): LogSource {
  return {
    name: folder,
    async read(path) {
      try {
        const bytes = await readFile(join(folder, path))
        if (bytes.length > maxBytes) throw new HoldfastError('peer-refused', `${path} is too long`)
        return bytes
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code
        if (code === 'ENOENT' || code === 'ENOTDIR') return null
        throw error instanceof HoldfastError ? error : unavailable(`${folder}/${path}`, error)
      }
    },
  }
}

function httpSource(where: string): LogSource {
  const prefix = where.replace(/\/+$/, '').replace(/\/checkpoint$/, '')
  const attempt = async (url: string): Promise<Uint8Array | null> => {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerMs) })
    // S3 answers 403 for what is not there to who may not list.
    if ([403, 404, 410].includes(answer.status)) {
      await answer.body?.cancel()
      return null
    }
    if (!answer.ok) {
      await answer.body?.cancel()
      throw new Error(`HTTP ${answer.status}`)
    }
    return limitedBody(answer, url, maxBytes)
  }
  return {
    name: prefix,
    async read(path) {
      const url = `${prefix}/${path}`
      for (const waitMs of waitsMs) {
        try {
          return await attempt(url)
        } catch (error) {
          if (error instanceof HoldfastError) throw error
          await sleep(waitMs)
        }
      }
      return attempt(url).catch(error => {
        throw error instanceof HoldfastError ? error : unavailable(url, error)
      })
    },
  }
}

function unavailable(what: string, error: unknown): HoldfastError {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : ''
  return new HoldfastError('peer-unavailable', `${what}: ${messageOf(error)}${cause}`, {}, error)
}
