/** The tenant's approvers as its regions have them, followed from the genesis in the customer's own folder. */
import { readFileSync } from 'node:fs'
import type { Json } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { followChain, parseLinks } from '../verify/approver-chain.ts'
import type { ApproverRules, ApproverSet, SetBody } from '../verify/approver-set.ts'
import { printApprover } from '../verify/approvers.ts'
import { parseTrust } from '../verify/trust.ts'
import { callApi } from './api-client.ts'
import type { Orderer } from './order.ts'

export interface RegionSet {
  readonly region: string
  readonly ledger: string
  readonly set: ApproverSet
  /** As it was told, and followed. */
  readonly chain: readonly unknown[]
}

/** Nobody's word is taken: each region's chain is followed here, and one that does not hold is an error. */
export async function fetchApproverSets({ credentials }: Pick<Orderer, 'credentials'>): Promise<RegionSet[]> {
  const path = credentials.trust
  const trust = parseTrust(readFileSync(path, 'utf8'), nodeVerifyCrypto)
  if (typeof trust === 'string') throw new HoldfastError('not-verified', `${path}: ${trust}`)
  const answer = (await callApi(credentials.api, 'GET', '/approvers', credentials.apiToken)) as {
    regions: { region: string; ledger: string; chain: unknown[] }[]
  }
  return answer.regions.map(({ region, ledger, chain }) => {
    const links = parseLinks(chain)
    const set = links === null ? 'it is no chain' : followChain(trust.genesis, links, nodeVerifyCrypto)
    if (typeof set === 'string')
      throw new HoldfastError('not-verified', `the approvers that ${region} tells of: ${set}`)
    return { region, ledger, set, chain }
  })
}

export function printSet({ approvers, quorum, recovery, rules }: SetBody): { [field: string]: Json } {
  return {
    approvers: approvers.map(printApprover),
    quorum,
    recovery: { approvers: recovery.approvers.map(printApprover), quorum: recovery.quorum },
    rules: printRules(rules),
  }
}

export function printRules(rules: ApproverRules): { [field: string]: Json } {
  return {
    abroad: rules.abroad,
    drafters: rules.drafters.map(printApprover),
    ...(rules.keepsPolicy ? { policy: null } : rules.policy !== null && { policy: rules.policy }),
    quorums: Object.fromEntries([...rules.quorums].sort()),
    separateDuties: rules.separateDuties,
  }
}
