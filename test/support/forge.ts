/**
 * A provider that has every key of its own and the tenant's chain key, and signs whatever it likes: statements and
 * receipts made from the format alone, wrong in one place and right in all others.
 */
import { hash, randomBytes } from 'node:crypto'
import { concat, toBase64, toHex, utf8 } from '../../src/core/bytes.ts'
import { canonicalJson, type Json } from '../../src/core/canonical-json.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { generatePrivateKey, type PrivateKey } from '../../src/crypto/signatures.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { chainKeyCommitment, encodeLeaf, labelOf } from '../../src/verify/leaf.ts'
import { leafHash } from '../../src/verify/merkle.ts'
import { type NoteSigner, printNote } from '../../src/verify/note.ts'
import { noPrevious } from '../../src/verify/payload.ts'
import { printReceipt } from '../../src/verify/receipt-format.ts'
import { statementText } from '../../src/verify/statement-format.ts'
import { inclusionRanges, subtreeEnd } from '../../src/verify/subtrees.ts'
import { TreeFold } from '../../src/verify/tree-fold.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { genesisOf, type SetTerms } from './approvers.ts'
import { crypto, makeGenesis, makeSigner } from './ledger.ts'

type Fields = { readonly [field: string]: Json | undefined }

export interface Victim {
  readonly tenant: string
  readonly approvers: readonly PrivateKey[]
  readonly genesis: Envelope
  readonly chainKey: Uint8Array
  readonly signer: NoteSigner
  readonly origin: string
  readonly region: string
  /** The customer's trust file. */
  readonly trust: (change?: Fields) => string
}

/** Without terms a tenant as they were made before there were rules: any one of two approvers. */
export function createVictim(terms?: SetTerms): Victim {
  const signer = makeSigner()
  const { keys: approvers, signed: genesis } =
    terms === undefined ? makeGenesis() : { keys: terms.approvers, signed: genesisOf(terms) }
  const tenant = documentId(genesis)
  const chainKey = randomBytes(32)
  const region = 'in-mumbai'
  const vkey = printVerifierKey(signer.name, signer.publicKey, crypto)
  const trust = (change: Fields = {}): string =>
    JSON.stringify({
      format: 'holdfast/trust/v1',
      tenant,
      genesis: printEnvelope(genesis),
      regions: {
        [region]: { origin: signer.name, vkey, chainKey: toHex(chainKey), country: 'IN', ...change },
      },
    })
  return { tenant, approvers, genesis, chainKey, signer, origin: signer.name, region, trust }
}

export interface ForgedRow {
  /** Merged into the payload that would be right here. */
  readonly payload?: Fields
  /** In place of the payload's canonical JSON. */
  readonly text?: (right: string) => string
  /** Shows the leaf alone; given the one that would be right. */
  readonly blank?: (leaf: Uint8Array) => Uint8Array
  /** The number that the label is made for, in place of the payload's. */
  readonly labelFor?: number
}

export interface Forgery {
  readonly rows: readonly ForgedRow[]
  readonly first?: number
  readonly header?: Fields
  /** In place of the note over the tree's checkpoint. */
  readonly checkpoint?: (right: {
    readonly size: number
    readonly root: Uint8Array
    /** Of a part of the tree. */
    readonly rootOf: (start: number, end: number) => Uint8Array
  }) => string
  readonly lines?: (right: string[]) => string[]
  readonly rest?: (right: string[]) => string[]
  readonly signature?: (text: string) => string
  /** The document as it goes out, after it was signed. */
  readonly document?: (right: string) => string
}

interface MadeRow {
  readonly line: (hashes: readonly Uint8Array[]) => string
  readonly leaf: Uint8Array
  readonly payload: string
  readonly salt: string
}

/** Rows stand at every second leaf; strangers' leaves are in between. */
const indexOf = (row: number): number => 2 * row + 1

/** The body of `tenant.joined`, merged into. */
export const joinedBody = ({ tenant, chainKey, region }: Victim, change: Fields = {}): Fields => ({
  chainKeyCommitment: toHex(chainKeyCommitment(chainKey, crypto)),
  country: 'IN',
  genesis: tenant,
  home: region,
  ...change,
})

function makeRows(
  victim: Victim,
  { rows, first = 0 }: Forgery,
): { readonly made: MadeRow[]; readonly prev: string } {
  let prev = first === 0 ? noPrevious : hash('sha256', 'before')
  const began = prev
  const made = rows.map((row, at): MadeRow => {
    const seq = first + at
    const right: Fields = {
      body: seq === 0 ? (joinedBody(victim) as Json) : { bucket: `b${seq}` },
      id: '01m7y7rbx2r30bgbd4fg8yw364'.slice(0, 24) + String(seq).padStart(2, '0'),
      prev,
      region: victim.region,
      seq,
      tenant: victim.tenant,
      time: isoTime(Date.UTC(2026, 0, 2) + seq * 1000),
      type: seq === 0 ? 'tenant.joined' : 'bucket.created',
      v: 1,
    }
    const fields = { ...right, ...row.payload }
    const canonical = canonicalJson(fields as Json)
    const payload = row.text?.(canonical) ?? canonical
    const salt = randomBytes(32)
    const commitment = crypto.sha256(concat(salt, utf8(payload)))
    const labelled = row.labelFor ?? (typeof fields.seq === 'number' ? fields.seq : seq)
    const time = typeof fields.time === 'string' ? Date.parse(fields.time) : Number.NaN
    const timeUnixMs = Number.isNaN(time) ? 0 : time
    const leaf = encodeLeaf({ timeUnixMs, label: labelOf(victim.chainKey, labelled, crypto), commitment })
    const shown = row.blank?.(leaf) ?? leaf
    prev = toHex(shown.subarray(41))
    const head = (hashes: readonly Uint8Array[]): string =>
      `{"h":[${hashes.map(each => `"${toBase64(each)}"`).join(',')}],"i":${indexOf(at)},`
    return {
      leaf: shown,
      payload,
      salt: toHex(salt),
      line: hashes =>
        head(hashes) +
        (row.blank === undefined ? `"p":${payload},"s":"${toHex(salt)}"}` : `"leaf":"${toHex(shown)}"}`),
    }
  })
  return { made, prev: began }
}

/** Hashes of all leaves: strangers' between the rows, one behind the last. */
function leavesOf(made: readonly MadeRow[]): Uint8Array[] {
  return Array.from({ length: 2 * made.length + 2 }, (_, index) =>
    index % 2 === 1 && (index - 1) / 2 < made.length
      ? leafHash(made[(index - 1) / 2]!.leaf, crypto)
      : leafHash(utf8(`stranger ${index}`), crypto),
  )
}

function subtree(leaves: readonly Uint8Array[], start: number, end: number): Uint8Array {
  const fold = new TreeFold(crypto)
  for (const leaf of leaves.slice(start, end)) fold.push(leaf)
  return fold.root()!
}

export function forgeStatement(victim: Victim, forgery: Forgery): Uint8Array {
  const { made, prev } = makeRows(victim, forgery)
  const leaves = leavesOf(made)
  const size = leaves.length
  const root = subtree(leaves, 0, size)
  const rootOf = (start: number, end: number): Uint8Array => subtree(leaves, start, end)
  const between = (from: number, to: number): Uint8Array[] => {
    const hashes: Uint8Array[] = []
    for (let at = from; at < to; ) {
      const end = subtreeEnd(at, to, size)
      hashes.push(subtree(leaves, at, end))
      at = end
    }
    return hashes
  }
  const { signer, origin } = victim
  const checkpoint =
    forgery.checkpoint?.({ size, root, rootOf }) ??
    printNote(printCheckpoint({ origin, size, root }), signer, crypto)
  const first = forgery.first ?? 0
  const header = {
    checkpoint,
    count: made.length,
    entered: first + made.length,
    first,
    format: 'holdfast/statement/v2',
    prev,
    region: victim.region,
    tenant: victim.tenant,
    time: isoTime(Date.UTC(2026, 0, 3)),
    ...forgery.header,
  }
  const right = [
    `${canonicalJson(header as Json).slice(0, -1)},"rows":[`,
    ...made.map((row, at) => {
      const from = at === 0 ? 0 : indexOf(at - 1) + 1
      return row.line(between(from, indexOf(at))) + (at === made.length - 1 ? '' : ',')
    }),
  ]
  const lines = forgery.lines?.(right) ?? right
  const signed = lines.map(line => `${line}\n`).join('')
  const rightRest = between(made.length === 0 ? 0 : indexOf(made.length - 1) + 1, size).map(toBase64)
  const rest = forgery.rest?.(rightRest) ?? rightRest
  const restBytes = rest.map(each => new Uint8Array(Buffer.from(each, 'base64')))
  const text = statementText(origin, crypto.sha256(utf8(signed)), restBytes, crypto)
  const signature = forgery.signature?.(text) ?? printNote(text, signer, crypto)
  const document = `${signed}],${canonicalJson({ rest, signature }).slice(1)}\n`
  return utf8(forgery.document?.(document) ?? document)
}

/** Of the last row. */
export function forgeReceipt(
  victim: Victim,
  forgery: Forgery & {
    readonly index?: number
    readonly proof?: (right: Uint8Array[]) => Uint8Array[]
    readonly receipt?: (right: string) => string
  },
): string {
  const { made } = makeRows(victim, forgery)
  const leaves = leavesOf(made)
  const size = leaves.length
  const root = subtree(leaves, 0, size)
  const rootOf = (start: number, end: number): Uint8Array => subtree(leaves, start, end)
  const index = indexOf(made.length - 1)
  const path = inclusionRanges(index, size).map(({ start, end }) => subtree(leaves, start, end))
  const { signer, origin } = victim
  const checkpoint =
    forgery.checkpoint?.({ size, root, rootOf }) ??
    printNote(printCheckpoint({ origin, size, root }), signer, crypto)
  const { payload, salt } = made.at(-1)!
  const text = printReceipt({
    payload,
    salt,
    index: forgery.index ?? index,
    proof: forgery.proof?.(path) ?? path,
    checkpoint,
  })
  return forgery.receipt?.(text) ?? text
}

export function stranger(name: string): NoteSigner {
  const key = generatePrivateKey('ed25519')
  return { name, publicKey: key.publicKey, sign: message => key.sign(message) }
}
