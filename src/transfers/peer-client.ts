/** The source's calls to a peer, through the one door out, each with policy's leave for this instruction. */
import type { Socket } from 'node:net'
import type { z } from 'zod'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { EntryId, InstructionId } from '../core/ids.ts'
import type { EnvelopeJson } from '../crypto/dsse.ts'
import type { Door } from '../outbound/door.ts'
import { isRefusal } from '../policy/authorized.ts'
import { decideOutbound } from '../policy/decide.ts'
import type { Peer } from './peers.ts'
import {
  arrivalAnswerSchema,
  batchAnswerSchema,
  type ChallengeRange,
  challengeAnswerSchema,
  closeAnswerSchema,
  type Keeping,
  objectsAnswerSchema,
  offerAnswerSchema,
  type PeerProof,
  paths,
  type RefusedObject,
  refusalSchema,
  type TransferItem,
} from './protocol.ts'
import { TransferRefused } from './refused.ts'

export interface PeerClient {
  /** `pages`: of an instruction that is bound to a list. Answers what the bucket there can keep. */
  offer(
    instruction: EnvelopeJson,
    verdicts: readonly EnvelopeJson[],
    pages: readonly string[] | null,
  ): Promise<Keeping>
  openBatch(batch: number, items: readonly TransferItem[], departure: PeerProof): Promise<string[]>
  /**
   * Versions one after the other, as frames; answers which were refused for themselves. A chunk may be changed once the
   * next is asked for, if it is a quarter of a mebibyte at least. `bytes`: of all frames, where it is known.
   */
  sendObjects(batch: number, frames: AsyncIterable<Uint8Array>, bytes?: number): Promise<RefusedObject[]>
  close(batch: number): Promise<{ arrived: string[]; entry: EntryId }>
  arrivalProof(batch: number): Promise<PeerProof | null>
  /** Of each range its SHA-256; `null` where the version is not there. */
  challenge(batch: number, ranges: readonly ChallengeRange[]): Promise<(string | null)[]>
  end(state: 'completed' | 'failed', reason: string | null): Promise<void>
}

interface PeerClientEvents {
  readonly onSocket: (socket: Socket) => void
  /** It has done what it was asked. */
  readonly onAnswer: () => void
}

const idleMs = 30_000

export function createPeerClient(
  door: Door,
  peer: Peer,
  id: InstructionId,
  { onSocket, onAnswer }: PeerClientEvents,
): PeerClient {
  const call = async (
    method: 'GET' | 'POST',
    path: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    bytes?: number,
  ): Promise<unknown> => {
    const { host, port, certificate } = peer
    const decision = decideOutbound({
      action: 'outbound',
      purpose: 'transfer',
      host,
      port,
      certificate,
      registered: true,
      instruction: id,
    })
    if (isRefusal(decision)) throw TransferRefused.of(decision)
    // With its length a body is written as it comes; in chunks, TLS copies it together with their marks.
    const headers: Record<string, string> = bytes === undefined ? {} : { 'content-length': String(bytes) }
    const request = { method, path, headers, body, idleMs, onSocket }
    const answer = await door.send(decision, request).catch(error => {
      // Where it listens is its operator's matter; the log has it.
      throw new HoldfastError('peer-unavailable', `${peer.id} cannot be reached`, {}, error)
    })
    let value: unknown
    try {
      value = JSON.parse(answer.body.toString('utf8'))
    } catch (error) {
      throw new HoldfastError('peer-unavailable', `${peer.id} answered no JSON`, {}, error)
    }
    if (answer.status === 200) {
      onAnswer()
      return value
    }
    const refusal = refusalSchema.safeParse(value)
    if (answer.status < 500 && refusal.success)
      throw new TransferRefused(refusal.data.rule, `${peer.id}: ${refusal.data.message}`)
    throw new HoldfastError('peer-unavailable', `${peer.id} answered ${answer.status}`)
  }
  const post = (path: string, value: unknown): Promise<unknown> =>
    call('POST', path, utf8(JSON.stringify(value)))
  const read = <Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> => {
    const parsed = schema.safeParse(value)
    if (!parsed.success) throw new HoldfastError('peer-unavailable', `${peer.id} answered in another form`)
    return parsed.data
  }

  return {
    async offer(instruction, verdicts, pages) {
      return read(offerAnswerSchema, await post(paths.offers, { instruction, verdicts, pages })).bucket
    },
    async openBatch(batch, items, departure) {
      return read(batchAnswerSchema, await post(paths.batch(id, batch), { items, departure })).wanted
    },
    async sendObjects(batch, frames, bytes) {
      const answer = await call('POST', `${paths.batch(id, batch)}/objects`, frames, bytes)
      return read(objectsAnswerSchema, answer).refused
    },
    async close(batch) {
      const answer = read(closeAnswerSchema, await post(`${paths.batch(id, batch)}/close`, {}))
      return { arrived: answer.arrived, entry: answer.entry as EntryId }
    },
    async arrivalProof(batch) {
      const answer = read(
        arrivalAnswerSchema,
        await call('GET', `${paths.batch(id, batch)}/arrival`, new Uint8Array(0)),
      )
      return 'state' in answer ? null : answer
    },
    async challenge(batch, ranges) {
      const answer = await post(`${paths.batch(id, batch)}/challenge`, { ranges })
      const { digests } = read(challengeAnswerSchema, answer)
      return ranges.map((_range, index) => digests[index] ?? null)
    },
    async end(state, reason) {
      await post(paths.end(id), { state, reason })
    },
  }
}
