import { fromUtf8, readU64be } from '../core/bytes.ts'
import type { Json } from '../core/canonical-json.ts'
import { parseEnvelope } from '../crypto/dsse.ts'
import { rowsOf } from '../store/rows-of.ts'
import { orderedErasure } from '../verify/erasure.ts'
import { type Genesis, openGenesis } from '../verify/genesis.ts'
import { decodeDraft } from './draft-format.ts'
import type { LogStores } from './recover.ts'
import { chainRowKey, entryIdKey, tenantRowKey } from './tables.ts'

interface BlankRow {
  readonly index: number
  readonly tenant: string
  readonly seq: number
}

/** Blank rows against the erasures that the tenants ordered; for `fsck` and repair. */
export class ErasureFindings {
  readonly #stores: LogStores
  readonly #blank: BlankRow[] = []
  /** Entry ids, by tenant and sequence number. */
  readonly #ordered = new Map<string, string>()

  constructor(stores: LogStores) {
    this.#stores = stores
  }

  sawBlank(row: BlankRow): void {
    this.#blank.push(row)
  }

  /** Takes the body of an `entries.erased`. */
  async read(tenant: string, body: Readonly<Record<string, Json>>, find: (what: string) => void) {
    const { catalog, crypto, log } = this.#stores
    const genesis = genesisIn(await catalog.get('tenants', tenantRowKey(tenant)), crypto)
    const scope =
      typeof genesis === 'string'
        ? genesis
        : orderedErasure(body, { tenant, genesis, origin: log.origin }, crypto)
    if (typeof scope === 'string') find(`the erasure: ${scope}`)
    else for (const [seq, id] of scope) this.#ordered.set(`${tenant}/${seq}`, id)
  }

  /** What was erased a moment ago is explained by a draft. */
  async readDrafts(): Promise<void> {
    for await (const { value } of rowsOf(this.#stores.catalog, 'drafts')) {
      const { tenant, type, body } = decodeDraft(value)
      if (type === 'entries.erased') await this.read(tenant, JSON.parse(body), () => {})
    }
  }

  /** The id of an erased entry, as the erasure names it. */
  idOf(tenant: string, seq: number): string | null {
    return this.#ordered.get(`${tenant}/${seq}`) ?? null
  }

  async findings(): Promise<string[]> {
    const { catalog } = this.#stores
    const findings: string[] = []
    for (const { index, tenant, seq } of this.#blank) {
      const find = (what: string): void => void findings.push(`entry ${index}: ${what}`)
      const id = this.#ordered.get(`${tenant}/${seq}`)
      if (id === undefined) find(`it is blank, and no instruction of tenant ${tenant} had it erased`)
      else if (!leadsTo(await catalog.get('entryids', entryIdKey(id)), index))
        find(`id ${id} does not lead to it`)
      if (!leadsTo(await catalog.get('chains', chainRowKey(tenant, seq)), index))
        find(`number ${seq} of its tenant does not lead to it`)
    }
    return findings
  }
}

function leadsTo(row: Uint8Array | null, index: number): boolean {
  return row !== null && readU64be(row) === index
}

function genesisIn(row: Uint8Array | null, crypto: LogStores['crypto']): Genesis | string {
  const { genesis } = row === null ? {} : (JSON.parse(fromUtf8(row)) as { genesis?: unknown })
  const envelope = typeof genesis === 'string' ? parseEnvelope(JSON.parse(genesis)) : null
  return envelope === null ? 'its tenant has no genesis here' : openGenesis(envelope, crypto)
}
