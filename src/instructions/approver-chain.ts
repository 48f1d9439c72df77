/**
 * A region's own copy of who may sign for its tenants: the genesis that each joined with, and the changes that came
 * into force here. No table of the provider decides it: every look judges the links anew, or is the same as one that did.
 */
import { concat, equalBytes, u32be, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { InstructionId, RegionId, TenantId } from '../core/ids.ts'
import { type EnvelopeJson, parseEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { documentId } from '../crypto/signed-document.ts'
import { type Catalog, type Check, type Put, prefixEnd } from '../store/catalog.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import { findTenant } from '../store/tenants.ts'
import { followChain, parseLinks } from '../verify/approver-chain.ts'
import type { ApproverSet } from '../verify/approver-set.ts'
import { openGenesis } from '../verify/genesis.ts'

/** As it stands in entries: what anybody needs to follow the change. */
export type LinkJson = { readonly envelope: EnvelopeJson; readonly approvals: readonly EnvelopeJson[] }

interface LinkRow {
  readonly v: 1
  readonly instruction: InstructionId
  readonly link: LinkJson
}

export interface ApproverChain {
  /** The set in force here; `not-found` for a tenant that has not joined. */
  setOf(tenant: TenantId): Promise<ApproverSet>
  linksOf(tenant: TenantId): Promise<LinkJson[]>
  /** What makes a link the next of the chain, once, along with whatever belongs to the same transaction. */
  append(
    tenant: TenantId,
    number: number,
    instruction: InstructionId,
    link: LinkJson,
  ): { readonly check: Check; readonly put: Put }
  /** As `append`, for a delegation that is taken back. */
  withdraw(
    tenant: TenantId,
    delegation: string,
    envelope: EnvelopeJson,
  ): { readonly check: Check; readonly puts: readonly Put[] }
  isWithdrawn(tenant: TenantId, delegation: string): Promise<boolean>
  /**
   * Hold in a transaction for as long as what was judged after this was asked is still judged so: no change of the
   * approvers has come into force since, and no delegation was taken back.
   */
  stillOf(tenant: TenantId): Promise<readonly Check[]>
  /** Every delegation of the tenant that was taken back, as signed. */
  withdrawals(tenant: TenantId): Promise<EnvelopeJson[]>
}

const linkPrefix = (tenant: TenantId): Uint8Array => utf8(`${tenant}/`)
const linkKey = (tenant: TenantId, number: number): Uint8Array => concat(linkPrefix(tenant), u32be(number))
/** By tenant: what another's approver says of a delegation counts for nothing. */
const withdrawalsOf = (tenant: TenantId, delegation = ''): Uint8Array =>
  utf8(`withdrawals/${tenant}/${delegation}`)
/** The delegation that was taken back last: another, and what was judged before may be judged otherwise now. */
const lastWithdrawnKey = (tenant: TenantId): Uint8Array => utf8(`withdrawn-last/${tenant}`)
/** Nobody changes approvers so often; a chain that is longer is not read. */
const maxLinks = 1000

/** The rows of a chain that a tenant brings along when it joins, once it has been followed. */
export function chainRows(tenant: TenantId, links: readonly LinkJson[]): Put[] {
  return links.map((link, at): Put => {
    const instruction = documentId(parseEnvelope(link.envelope)!) as InstructionId
    return {
      table: 'approvers',
      key: linkKey(tenant, at + 1),
      value: encodeRow({ v: 1, instruction, link } as LinkRow),
    }
  })
}

export function createApproverChain(region: RegionId, catalog: Catalog): ApproverChain {
  const seen = new Map<
    TenantId,
    { readonly genesis: string; readonly last: Uint8Array; readonly set: ApproverSet }
  >()

  const rowsOf = async (tenant: TenantId) => {
    const from = linkPrefix(tenant)
    return catalog.scan('approvers', { from, to: prefixEnd(from)!, limit: maxLinks })
  }

  const damaged = (tenant: TenantId, what: string): HoldfastError =>
    new HoldfastError('store-damaged', `the approvers of tenant ${tenant} in ${region}: ${what}`)

  return {
    async setOf(tenant) {
      const row = await findTenant(catalog, tenant)
      if (row === null) throw new HoldfastError('not-found', `the tenant has not joined ${region}`)
      const rows = await rowsOf(tenant)
      const last = rows.at(-1)?.value ?? new Uint8Array(0)
      const known = seen.get(tenant)
      if (known?.genesis === row.genesis && known.set.number === rows.length && equalBytes(known.last, last))
        return known.set
      const envelope = parseEnvelope(JSON.parse(row.genesis))
      const genesis = envelope === null ? 'unreadable' : openGenesis(envelope, nodeVerifyCrypto)
      if (typeof genesis === 'string' || genesis.tenant !== tenant)
        throw damaged(tenant, `the genesis is not the tenant’s`)
      const links = parseLinks(rows.map(({ value }) => decodeRow<LinkRow>(value).link))
      const set = links === null ? 'a row is no change' : followChain(genesis, links, nodeVerifyCrypto)
      if (typeof set === 'string') throw damaged(tenant, set)
      seen.set(tenant, { genesis: row.genesis, last, set })
      return set
    },

    async linksOf(tenant) {
      return (await rowsOf(tenant)).map(({ value }) => decodeRow<LinkRow>(value).link)
    },

    append(tenant, number, instruction, link) {
      const key = linkKey(tenant, number)
      const row: LinkRow = { v: 1, instruction, link }
      return {
        check: { table: 'approvers', key, expected: null },
        put: { table: 'approvers', key, value: encodeRow(row) },
      }
    },

    withdraw(tenant, delegation, envelope) {
      const key = withdrawalsOf(tenant, delegation)
      const value = utf8(JSON.stringify(envelope))
      return {
        check: { table: 'approvers', key, expected: null },
        puts: [
          { table: 'approvers', key, value },
          { table: 'approvers', key: lastWithdrawnKey(tenant), value: utf8(delegation) },
        ],
      }
    },

    async withdrawals(tenant) {
      const from = withdrawalsOf(tenant)
      const rows = await catalog.scan('approvers', { from, to: prefixEnd(from)!, limit: maxLinks })
      return rows.map(({ value }) => JSON.parse(Buffer.from(value).toString('utf8')) as EnvelopeJson)
    },

    async stillOf(tenant) {
      const key = lastWithdrawnKey(tenant)
      return [
        { table: 'approvers', key: linkKey(tenant, (await rowsOf(tenant)).length + 1), expected: null },
        { table: 'approvers', key, expected: await catalog.get('approvers', key) },
      ]
    },

    async isWithdrawn(tenant, delegation) {
      return (await catalog.get('approvers', withdrawalsOf(tenant, delegation))) !== null
    },
  }
}
