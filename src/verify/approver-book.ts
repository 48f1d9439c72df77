import { canonicalJson, type Json } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import { followChain, parseLinks } from './approver-chain.ts'
import { approversWaitMs } from './approver-set.ts'
import type { Genesis } from './genesis.ts'
import type { EntryPayload } from './payload.ts'
import { documentIdOf } from './verdict-document.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/** After these, or after a revocation, an instruction does nothing any more. */
const stopped = new Set<Json | undefined>(['expired', 'failed', 'rejected', 'revoked'])

/**
 * What the books tell of changes of the approvers: each must be one that those before had ordered, follow the last, and
 * have waited. A region that lets somebody sign sooner, or for a change that nobody ordered, is caught by its own entry.
 */
export class ApproverBook {
  readonly #genesis: Genesis
  readonly #crypto: VerifyCrypto
  /** Whether every entry before comes by as well. */
  readonly #isWhole: boolean
  readonly #approved = new Map<string, number>()
  readonly #stopped = new Set<string>()
  /** Delegations that were taken back. */
  readonly #withdrawn = new Set<string>()
  /** The chain in force; `null`: the entry that says so is not in the statement. */
  #links: Json | null

  constructor(genesis: Genesis, isWhole: boolean, crypto: VerifyCrypto) {
    this.#genesis = genesis
    this.#crypto = crypto
    this.#isWhole = isWhole
    this.#links = isWhole ? [] : null
  }

  /** What is wrong with an entry as one that tells of the approvers, or `null`; other entries are passed over. */
  read({ type, body, time, seq }: Pick<EntryPayload, 'type' | 'body' | 'time' | 'seq'>): string | null {
    // A region that is joined late begins with the changes there were by then, and waits for none of them again.
    if (seq === 0 && body.chain !== undefined) return this.#begin(body.chain)
    if (type === 'delegation.withdrawn' && typeof body.delegation === 'string')
      this.#withdrawn.add(body.delegation)
    const { instruction } = body
    if (typeof instruction !== 'string')
      return type === 'approvers.changed' ? 'the change of the approvers: it names no instruction' : null
    const timeUnixMs = parseIsoTime(time)!
    if (type === 'instruction.revoked' || (type === 'instruction.state' && stopped.has(body.state)))
      this.#stopped.add(instruction)
    if (type === 'instruction.state' && body.state === 'approved') this.#approved.set(instruction, timeUnixMs)
    if (type !== 'approvers.changed') return null
    const fault = this.#fault(body, instruction, timeUnixMs)
    return fault === null ? null : `the change of the approvers: ${fault}`
  }

  /** Whether this chain is the one in force at the entry that was read last, as far as the statement tells. */
  isInForce(chain: Json): boolean {
    return this.#links === null || canonicalJson(chain) === canonicalJson(this.#links)
  }

  isWithdrawn(delegation: string): boolean {
    return this.#withdrawn.has(delegation)
  }

  #begin(chain: Json): string | null {
    const links = parseLinks(chain)
    const set = links === null ? 'it is no chain of changes' : followChain(this.#genesis, links, this.#crypto)
    if (typeof set === 'string') return `the approvers: ${set}`
    this.#links = chain
    return null
  }

  #fault(body: EntryPayload['body'], instruction: string, timeUnixMs: number): string | null {
    const links = parseLinks(body.chain)
    const last = links?.at(-1)
    if (links === null || last === undefined) return 'it holds no chain'
    if (links.length !== body.number) return 'its number is another than its chain’s'
    if (documentIdOf(last.envelope, this.#crypto) !== instruction) return 'it names another instruction'
    const set = followChain(this.#genesis, links, this.#crypto)
    if (typeof set === 'string') return set
    const chain = body.chain as readonly Json[]
    if (!this.isInForce(chain.slice(0, -1))) return 'it does not follow the change before'
    this.#links = chain
    if (this.#stopped.has(instruction)) return 'it had been stopped'
    const approved = this.#approved.get(instruction)
    if (approved === undefined) return this.#isWhole ? 'nothing before says that it was approved' : null
    return timeUnixMs - approved < approversWaitMs ? 'it did not wait for 72 hours' : null
  }
}
