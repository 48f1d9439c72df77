import { concat, toHex, utf8 } from '../core/bytes.ts'
import type { RegionId } from '../core/ids.ts'
import { type Clock, isoTime } from '../core/time.ts'
import { nodeHash } from '../verify/merkle.ts'
import type { NoteSigner } from '../verify/note.ts'
import {
  type PromisedEntry,
  printPromise,
  printPromised,
  promiseLeaf,
  promiseText,
} from '../verify/promise.ts'
import { inclusionRanges, type LeafRange, splitPoint } from '../verify/subtrees.ts'
import { noteKeyId } from '../verify/verifier-key.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'
import type { Drafted } from './drafts.ts'

/** Gives out promises; only for entries whose batch took effect. */
export interface Promiser {
  /** One promise for all entries of one answer, as text; `null` for an answer that entered nothing. */
  promise(entries: readonly Drafted[]): Promise<string | null>
}

export interface PromiserDeps {
  readonly region: RegionId
  readonly signer: NoteSigner
  readonly clock: Clock
  readonly crypto: VerifyCrypto
}

/**
 * How long a region gives itself to enter what it promised. It takes less than a second; the rest is for a restart, a
 * slow disk and a sequencer that has to catch up.
 */
export const promiseWithinSeconds = 300
/** A promise travels in a header. */
export const maxPromisedEntries = 20

interface Waiting {
  readonly entries: readonly PromisedEntry[]
  readonly resolve: (text: string) => void
}

/**
 * Batches that were committed together are answered in one turn of the event loop, so one signature at its end covers
 * them all: signing costs as much as a tenth of a PUT.
 *
 * Crash points: a promise is made after its entries are durable, so a crash in between loses promises and never entries.
 */
export function createPromiser({ region, signer, clock, crypto }: PromiserDeps): Promiser {
  const keyId = noteKeyId(signer.name, signer.publicKey, crypto)
  let waiting: Waiting[] = []

  const flush = (): void => {
    const batch = waiting
    waiting = []
    const size = batch.length
    const leaves = batch.map(({ entries }) => promiseLeaf(entries, crypto))
    const hashOf = hashesOf(leaves, crypto)
    const facts = { time: isoTime(clock()), withinSeconds: promiseWithinSeconds, size }
    const text = promiseText(signer.name, facts, hashOf({ start: 0, end: size }))
    const signature = concat(keyId, signer.sign(utf8(text)))
    for (const [index, { entries, resolve }] of batch.entries()) {
      const path = inclusionRanges(index, size).map(hashOf)
      resolve(printPromise({ region, ...facts, entries, index, path, signature }))
    }
  }

  return {
    promise(drafted) {
      if (drafted.length === 0) return Promise.resolve(null)
      const entries = drafted.slice(0, maxPromisedEntries).map(each => promisedOf(each, crypto))
      return new Promise(resolve => {
        if (waiting.length === 0) setImmediate(flush)
        waiting.push({ entries, resolve })
      })
    },
  }
}

function promisedOf({ region, stored }: Drafted, crypto: VerifyCrypto): PromisedEntry {
  const { body, entryId: id, tenant, timeUnixMs, type } = stored
  const text = printPromised({ body, id, region, tenant, time: isoTime(timeUnixMs), type })
  return { id, digest: toHex(crypto.sha256(utf8(text))) }
}

/** Hashes of the subtrees over a few leaves, each made once. */
function hashesOf(leaves: readonly Uint8Array[], crypto: VerifyCrypto): (range: LeafRange) => Uint8Array {
  const known = new Map<number, Uint8Array>()
  const hashOf = ({ start, end }: LeafRange): Uint8Array => {
    if (end - start === 1) return leaves[start]!
    const key = start * (leaves.length + 1) + end
    let hash = known.get(key)
    if (hash === undefined) {
      const middle = start + splitPoint(end - start)
      // Copied into the hash at once: `nodeHash` keeps neither.
      hash = nodeHash(hashOf({ start, end: middle }), hashOf({ start: middle, end }), crypto)
      known.set(key, hash)
    }
    return hash
  }
  return hashOf
}
