import { canonicalJson } from '../core/canonical-json.ts'
import { parseIsoTime } from '../core/time.ts'
import { followChain, parseLinks } from './approver-chain.ts'
import { approversWaitMs } from './approver-set.ts'
import type { EntryPayload } from './payload.ts'
import type { Trust } from './trust.ts'
import { documentIdOf } from './verdict-document.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

/**
 * What the books tell of changes of the approvers: each must be one that those before had ordered, follow the last, and
 * have waited. A region that lets somebody sign sooner, or for a change that nobody ordered, is caught by its own entry.
 */
export class ApproverBook {
  readonly #trust: Trust
  readonly #crypto: VerifyCrypto
  /** Whether every entry before comes by as well. */
  readonly #isWhole: boolean
  readonly #approved = new Map<string, number>()
  #links: readonly unknown[] = []

  constructor(trust: Trust, isWhole: boolean, crypto: VerifyCrypto) {
    this.#trust = trust
    this.#crypto = crypto
    this.#isWhole = isWhole
  }

  /** What is wrong with an entry as one that tells of a change, or `null`; other entries are passed over. */
  read({ type, body, time }: EntryPayload): string | null {
    const timeUnixMs = parseIsoTime(time)!
    const { instruction } = body
    if (typeof instruction !== 'string') return null
    if (type === 'instruction.state' && body.state === 'approved') this.#approved.set(instruction, timeUnixMs)
    if (type !== 'approvers.changed') return null
    const fault = this.#fault(body, instruction, timeUnixMs)
    return fault === null ? null : `the change of the approvers: ${fault}`
  }

  #fault(body: EntryPayload['body'], instruction: string, timeUnixMs: number): string | null {
    const links = parseLinks(body.chain)
    const last = links?.at(-1)
    if (links === null || last === undefined) return 'it holds no chain'
    if (links.length !== body.number) return 'its number is another than its chain’s'
    if (documentIdOf(last.envelope, this.#crypto) !== instruction) return 'it names another instruction'
    const set = followChain(this.#trust.genesis, links, this.#crypto)
    if (typeof set === 'string') return set
    const chain = body.chain as unknown[]
    const before = chain.slice(0, -1)
    if (
      (this.#isWhole || this.#links.length > 0) &&
      canonicalJson(before as never) !== canonicalJson(this.#links as never)
    )
      return 'it does not follow the change before'
    this.#links = chain
    const approved = this.#approved.get(instruction)
    if (approved === undefined) return this.#isWhole ? 'nothing before says that it was approved' : null
    return timeUnixMs - approved < approversWaitMs ? 'it did not wait for 72 hours' : null
  }
}
