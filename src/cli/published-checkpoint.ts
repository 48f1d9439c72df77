import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { limitedBody } from './limited-body.ts'

const maxNoteBytes = 1 << 20
const answerMs = 30_000

/** The checkpoint that a log's readers have: of its URL, of a copy's folder, or in a file. */
export async function publishedCheckpoint(where: string): Promise<string> {
  if (/^https?:\/\//.test(where)) {
    const url = `${where.replace(/\/+$/, '').replace(/\/checkpoint$/, '')}/checkpoint`
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerMs) }).catch(error => {
      throw new HoldfastError('peer-unavailable', `${url}: ${messageOf(error)}`)
    })
    if (!answer.ok) throw new HoldfastError('peer-refused', `${url} answered ${answer.status}`)
    return (await limitedBody(answer, url, maxNoteBytes)).toString()
  }
  const file = existsSync(where) && statSync(where).isDirectory() ? join(where, 'checkpoint') : where
  if (!existsSync(file)) throw new HoldfastError('not-found', `there is no checkpoint at ${file}`)
  return readFileSync(file, 'utf8')
}
