/** What a transfer would move, and under which rules, before anybody orders it. Reads only. */
import type { CountryCode, RegionId } from '../core/ids.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import { type DryRunEnd, type EndLaw, lawAt, type TheirEnd } from './dry-run-end.ts'
import { listDigest, pageDigest } from './list.ts'
import { listedPages } from './plan.ts'

/** What it says; or that it says no before that; or why what it would say is not known. */
export type DestinationAnswer =
  | { readonly answer: 'told'; readonly end: TheirEnd }
  | { readonly answer: 'refused' | 'unknown'; readonly why: string }

export interface Destination {
  readonly id: RegionId
  readonly country: CountryCode
  ask(): Promise<DestinationAnswer>
}

export interface DryRun {
  readonly objects: number
  /** Of ciphertext, as limits count; and of content. */
  readonly bytes: number
  readonly contentBytes: number
  /** The first keys, in their order. */
  readonly first: readonly string[]
  readonly withinLimits: boolean
  /** Hex SHA-256 of what would go, for an instruction that is to be bound to exactly this (docs/formats/transfer.md). */
  readonly list: string
  /** What each end says, of its own bucket; the source's alone where the destination's is not known. */
  readonly law: readonly EndLaw[]
  readonly destination: {
    readonly region: RegionId
    readonly answer: DestinationAnswer['answer']
    /** Why it refuses or is not known; `null`: it has told. */
    readonly why: string | null
  }
  /** `null`, or why what would come loses the rules that it is under. */
  readonly classLost: string | null
  /** `null`, or why not all versions that would come could stay. */
  readonly versionsLost: string | null
  /** `null`, or why nothing goes abroad between the two yet. */
  readonly approversDiffer: string | null
  /** Whether it would be let through as things stand. What is not known is not allowed. */
  readonly allowed: boolean
}

const shownKeys = 20

export async function dryRun(
  instruction: TransferInstruction,
  source: DryRunEnd,
  destination: Destination,
): Promise<DryRun> {
  const { withinLimits, ...counted } = await count(instruction, source)
  const countries = { from: source.region.country, to: destination.country }
  const ours = await lawAt(source, instruction, countries)
  const asked = await destination.ask()
  const theirs = asked.answer === 'told' ? asked.end : null
  const law = theirs === null ? [ours] : [ours, theirs.law]
  const { id: head } = await source.region.book.approvers.setOf(instruction.tenant)
  const isSame = theirs === null || theirs.head === head || countries.from === countries.to
  const approversDiffer = isSame
    ? null
    : `${source.region.id} and ${destination.id} are not at the same change of the tenant’s approvers. Nothing goes between them until they are.`
  const { classLost = null, versionsLost = null } = theirs ?? {}
  return {
    ...counted,
    withinLimits,
    law,
    destination: {
      region: destination.id,
      answer: asked.answer,
      why: asked.answer === 'told' ? null : asked.why,
    },
    ...{ classLost, versionsLost, approversDiffer },
    allowed:
      withinLimits &&
      theirs !== null &&
      classLost === null &&
      versionsLost === null &&
      approversDiffer === null &&
      law.every(({ outcome, ownPolicy }) => outcome === 'allowed' && ownPolicy === null),
  }
}

async function count(
  instruction: TransferInstruction,
  { region, bucket }: DryRunEnd,
): Promise<Pick<DryRun, 'objects' | 'bytes' | 'contentBytes' | 'first' | 'list' | 'withinLimits'>> {
  let objects = 0
  let bytes = 0
  let contentBytes = 0
  const first: string[] = []
  const pages: string[] = []
  for await (const page of listedPages(region.catalog, bucket, instruction)) {
    pages.push(pageDigest(page))
    objects += page.length
    for (const item of page) {
      bytes += item.ciphertextBytes
      contentBytes += item.sizeBytes
      if (first.length < shownKeys) first.push(item.key)
    }
  }
  const { limits } = instruction
  const withinLimits =
    (limits.objects === null || objects <= limits.objects) && (limits.bytes === null || bytes <= limits.bytes)
  return { objects, bytes, contentBytes, first, list: listDigest(pages), withinLimits }
}
