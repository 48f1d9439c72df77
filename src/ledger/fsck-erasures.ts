import { fromUtf8, readU64be } from '../core/bytes.ts'
import { isoTime } from '../core/time.ts'
import { parseEnvelope } from '../crypto/dsse.ts'
import { rowsOf } from '../store/rows-of.ts'
import { ApproverBook } from '../verify/approver-book.ts'
import { orderedErasure } from '../verify/erasure.ts'
import { type Genesis, openGenesis } from '../verify/genesis.ts'
import type { EntryPayload } from '../verify/payload.ts'
import { decodeDraft } from './draft-format.ts'
import type { LogStores } from './recover.ts'
import { chainRowKey, entryIdKey, tenantRowKey } from './tables.ts'

interface BlankRow {
  readonly index: number
  readonly tenant: string
  readonly seq: number
}

type ReadEntry = Pick<EntryPayload, 'tenant' | 'type' | 'body' | 'time' | 'seq'>

/** By which it is told who may sign, and what was erased. */
const told = new Set([
  'approvers.changed',
  'delegation.withdrawn',
  'entries.erased',
  'instruction.revoked',
  'instruction.state',
  'tenant.joined',
])

interface TenantBook {
  readonly genesis: Genesis
  readonly approvers: ApproverBook
}

/** Blank rows against the erasures that the tenants ordered; for `fsck` and repair. */
export class ErasureFindings {
  readonly #stores: LogStores
  readonly #blank: BlankRow[] = []
  /** Entry ids, by tenant and sequence number. */
  readonly #ordered = new Map<string, string>()
  readonly #books = new Map<string, TenantBook | string>()

  constructor(stores: LogStores) {
    this.#stores = stores
  }

  sawBlank(row: BlankRow): void {
    this.#blank.push(row)
  }

  /** Takes every entry that is there, in order: by some of them it is judged what others erased. */
  async read({ tenant, ...entry }: ReadEntry, find: (what: string) => void): Promise<void> {
    const { crypto, log } = this.#stores
    const { type, body } = entry
    const book = await this.#bookOf(tenant)
    const fault = typeof book === 'string' ? null : book.approvers.read(entry)
    if (fault !== null) find(fault)
    if (type !== 'entries.erased') return
    const scope =
      typeof book === 'string' ? book : orderedErasure(body, { tenant, ...book, origin: log.origin }, crypto)
    if (typeof scope === 'string') find(`the erasure: ${scope}`)
    else for (const [seq, id] of scope) this.#ordered.set(`${tenant}/${seq}`, id)
  }

  /** Or why there is none. */
  async #bookOf(tenant: string): Promise<TenantBook | string> {
    const { catalog, crypto } = this.#stores
    const known = this.#books.get(tenant)
    if (known !== undefined) return known
    const genesis = genesisIn(await catalog.get('tenants', tenantRowKey(tenant)), crypto)
    const book =
      typeof genesis === 'string' ? genesis : { genesis, approvers: new ApproverBook(genesis, true, crypto) }
    this.#books.set(tenant, book)
    return book
  }

  /** What was erased a moment ago is explained by a draft. */
  async readDrafts(): Promise<void> {
    for await (const { value } of rowsOf(this.#stores.catalog, 'drafts')) {
      const { tenant, type, timeUnixMs, body } = decodeDraft(value)
      // Numbers come later; the first is known.
      const seq = type === 'tenant.joined' ? 0 : -1
      if (told.has(type))
        await this.read({ tenant, type, time: isoTime(timeUnixMs), seq, body: JSON.parse(body) }, () => {})
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
