/**
 * A dry run whose destination is another process: the source asks what that end would say, on a connection of its own,
 * which is entered like those on which regions tell what they know. Nothing else is written down at either end.
 */
import { z } from 'zod'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { CountryCode, InstructionId, RandomBytes, RegionId } from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { type Envelope, parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { openInstruction } from '../instructions/instruction.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import type { Door } from '../outbound/door.ts'
import type { ClassedBucket } from '../policy/bucket-classes.ts'
import { findBucket } from '../store/buckets.ts'
import type { BucketRow } from '../store/rows.ts'
import type { Destination, DestinationAnswer } from './dry-run.ts'
import { destinationSays, type TheirEnd } from './dry-run-end.ts'
import type { Peer, Peers, TransferRegion } from './peers.ts'
import { TransferRefused } from './refused.ts'
import { shownWhy, theirEndSchema } from './their-end.ts'
import { callPeer } from './tracked-client.ts'

/** The envelope is nobody's word yet; classes are the source's, as a departure would say them. */
const questionSchema = z.strictObject({
  instruction: z.unknown(),
  from: z.strictObject({
    dataClass: z.string().max(64),
    classes: z
      .array(z.strictObject({ prefix: z.string().max(1024), dataClass: z.string().max(64) }))
      .max(101),
  }),
})

export const dryRunPattern = /^\/v2\/dry-runs\/([0-9a-f]{64})$/

export interface AskDeps {
  readonly region: TransferRegion
  readonly peers: Peers
  readonly door: Door
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

/** A region of another process; `null`: this one does not know it. */
export type FindDestination = (
  instruction: TransferInstruction,
  envelope: Envelope,
  bucket: BucketRow,
) => Destination | null

export function createFindDestination(deps: AskDeps): FindDestination {
  return (instruction, envelope, bucket) => {
    const peer = deps.peers.get(instruction.to.region)
    if (peer === undefined || peer.id === deps.region.id) return null
    return {
      id: peer.id,
      country: peer.country,
      ask: () => ask(deps, peer, instruction, envelope, bucket),
    }
  }
}

async function ask(
  deps: AskDeps,
  peer: Peer,
  { id, tenant, to }: TransferInstruction,
  envelope: Envelope,
  { dataClass, classes = [] }: BucketRow,
): Promise<DestinationAnswer> {
  try {
    const from = { dataClass, classes: classes.map(({ prefix, dataClass }) => ({ prefix, dataClass })) }
    const body = { instruction: printEnvelope(envelope), from }
    const told = theirEndSchema.safeParse(
      await callPeer({ ...deps, peer, id, tenant }, `/v2/dry-runs/${id}`, body),
    )
    if (!told.success || told.data.law.region !== peer.id || told.data.law.bucket !== to.bucket)
      throw new HoldfastError('peer-unavailable', `${peer.id} answered in another form`)
    return { answer: 'told', end: told.data as unknown as TheirEnd }
  } catch (error) {
    if (error instanceof TransferRefused) return { answer: 'refused', why: shownWhy(error.message) }
    deps.log('warn', 'dry-run-not-asked', { region: deps.region.id, of: peer.id, error: messageOf(error) })
    // Where it listens, and what went wrong there, is the operator's.
    return { answer: 'unknown', why: `${peer.id} did not answer.` }
  }
}

export interface DryRunQuestion {
  readonly instruction: TransferInstruction
  readonly from: ClassedBucket
}

/** Only from the source that it names, of which the tenant sees in its books that it has asked. */
export function openQuestion(peer: Peer, here: RegionId, id: InstructionId, body: unknown): DryRunQuestion {
  const refuse = (what: string): never => {
    throw new TransferRefused('instruction-out-of-scope', what)
  }
  const question = questionSchema.safeParse(body)
  if (!question.success) return refuse(z.prettifyError(question.error))
  const envelope = parseEnvelope(question.data.instruction)
  const instruction = envelope === null ? 'it is no envelope' : openInstruction(envelope)
  if (typeof instruction === 'string') return refuse(`The instruction: ${instruction}.`)
  if (instruction.kind !== 'transfer' && instruction.kind !== 'standing-transfer')
    return refuse('Only a transfer can be tried out.')
  if (instruction.id !== id) return refuse('It is another instruction.')
  if (instruction.from.region !== peer.id || instruction.to.region !== here)
    return refuse(`The transfer is not from ${peer.id} to ${here}.`)
  return { instruction, from: question.data.from }
}

export async function answerQuestion(
  region: TransferRegion,
  country: CountryCode,
  { instruction, from }: DryRunQuestion,
): Promise<TheirEnd> {
  const { bucket, region: there } = instruction.to
  const row = (await findBucket(region.catalog, bucket))?.row
  // The same words for another tenant's and for none: which names are taken is not told.
  if (row === undefined || row.tenant !== instruction.tenant)
    throw new TransferRefused('instruction-out-of-scope', `The tenant has no bucket ${bucket} in ${there}.`)
  return destinationSays({ region, bucket: row }, instruction, { country, bucket: from })
}
