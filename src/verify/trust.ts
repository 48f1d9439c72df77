import { fromHex } from '../core/bytes.ts'
import { parseEnvelope } from '../crypto/dsse.ts'
import { type Genesis, openGenesis } from './genesis.ts'
import { followRotations, type LogKeys } from './log-keys.ts'
import { parseVerifierKey } from './verifier-key.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

declare const minted: unique symbol

/**
 * What the customer knows from its own folder (`docs/formats/statement.md`, "Trust file"). Only `parseTrust` makes
 * one, so whoever holds one holds a genesis whose signatures were checked.
 */
export interface Trust {
  readonly [minted]: true
  readonly tenant: string
  readonly genesis: Genesis
  readonly regions: ReadonlyMap<string, TrustedRegion>
}

export interface TrustedRegion {
  readonly log: LogKeys
  readonly chainKey: Uint8Array
  readonly country: string
}

const format = 'holdfast/trust/v1'

/** The trust, or what is wrong with the file. */
export function parseTrust(text: string, crypto: VerifyCrypto): Trust | string {
  const file = parseObject(text)
  if (file === null) return 'the trust file is not a JSON object'
  if (file.format !== format) return `the trust file has another format than ${format}`
  const envelope = parseEnvelope(file.genesis)
  if (envelope === null) return 'the trust file has no genesis'
  const genesis = openGenesis(envelope, crypto)
  if (typeof genesis === 'string') return genesis
  if (file.tenant !== genesis.tenant) return 'the tenant id is not the id of the genesis'
  if (!isRecord(file.regions)) return 'the trust file has no regions'
  const regions = new Map<string, TrustedRegion>()
  for (const [id, value] of Object.entries(file.regions)) {
    const region = parseRegion(value, crypto)
    if (typeof region === 'string') return `region ${id}: ${region}`
    regions.set(id, region)
  }
  return { tenant: genesis.tenant, genesis, regions } as unknown as Trust
}

function parseRegion(value: unknown, crypto: VerifyCrypto): TrustedRegion | string {
  if (!isRecord(value)) return 'not an object'
  const { origin, vkey, country } = value
  const key = typeof vkey === 'string' ? parseVerifierKey(vkey, crypto) : null
  if (key === null) return 'the vkey is not an Ed25519 verifier key'
  if (origin !== key.name) return 'the origin is not the name of the vkey'
  const rotations = value.rotations ?? []
  if (!Array.isArray(rotations) || !rotations.every(note => typeof note === 'string'))
    return 'the rotations are not a list of notes'
  const log = followRotations(key, rotations, crypto)
  if (typeof log === 'string') return log
  const chainKey = typeof value.chainKey === 'string' ? fromHex(value.chainKey) : null
  if (chainKey?.length !== 32) return 'the chain key is not 32 bytes in hex'
  if (typeof country !== 'string' || !/^[A-Z]{2}$/.test(country)) return 'the country is not two capitals'
  return { log, chainKey, country }
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : null
  } catch {
    return null
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
