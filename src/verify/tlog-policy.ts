/**
 * Which logs and witnesses a customer trusts, and how many must have cosigned (C2SP `tlog-policy`). The file is octets:
 * a name is compared as it stands, whatever its bytes mean.
 */
import { equalBytes, fromUtf8 } from '../core/bytes.ts'
import { parseTypedVerifierKey, type TypedVerifierKey, type VerifierKey } from './verifier-key.ts'
import type { VerifyCrypto } from './verify-crypto.ts'

export interface TlogPolicy {
  readonly logs: readonly TypedVerifierKey[]
  readonly witnesses: readonly PolicyWitness[]
  readonly quorum: PolicyRule
}

export interface PolicyWitness {
  readonly kind: 'witness'
  /** For people: bytes that are no UTF-8 are shown as replacements. */
  readonly name: string
  readonly key: TypedVerifierKey
}

export interface PolicyGroup {
  readonly kind: 'group'
  readonly name: string
  /** How many of `members` must have witnessed: 1 to their number. */
  readonly threshold: number
  readonly members: readonly (PolicyWitness | PolicyGroup)[]
}

export type PolicyRule = PolicyWitness | PolicyGroup | { readonly kind: 'none' }

/** The specification recommends at least 32 of each. */
export const policyLimits = { logs: 256, witnesses: 256, groups: 256, bytes: 1 << 20 } as const

const none = 'none'
/** Past every number of members that a group can have. */
const maxDigits = 6

/** The policy, or its first fault with the number of its line. */
export function parsePolicy(bytes: Uint8Array, crypto: Pick<VerifyCrypto, 'sha256'>): TlogPolicy | string {
  if (bytes.length > policyLimits.bytes) return `the policy is longer than ${policyLimits.bytes} bytes`
  const reader = new PolicyReader(crypto)
  const lines = toOctets(bytes).split('\n')
  // A line without its end may be one that was cut short, and name another quorum than was written.
  if (lines.pop() !== '') return `policy line ${lines.length + 1}: it does not end in a newline`
  for (const [at, line] of lines.entries()) {
    const fault = reader.line(line)
    if (fault !== null) return `policy line ${at + 1}: ${fault}`
  }
  return reader.end() ?? 'the policy has no quorum line'
}

class PolicyReader {
  readonly #crypto: Pick<VerifyCrypto, 'sha256'>
  readonly #logs: TypedVerifierKey[] = []
  readonly #witnesses: PolicyWitness[] = []
  readonly #named = new Map<string, PolicyWitness | PolicyGroup>()
  /** Names that are a member of a group already: each may count in one way only. */
  readonly #used = new Set<string>()
  #groups = 0
  #quorum: PolicyRule | null = null
  readonly #keywords: Readonly<Record<string, (items: readonly string[]) => string | null>> = {
    log: items => this.#log(items),
    witness: items => this.#witness(items),
    group: items => this.#group(items),
    quorum: items => this.#quorumIs(items),
  }

  constructor(crypto: Pick<VerifyCrypto, 'sha256'>) {
    this.#crypto = crypto
  }

  /** What is wrong with the line, or `null`. */
  line(line: string): string | null {
    const control = /[^\t\x20-\x7e\x80-\xff]/.exec(line)
    if (control !== null)
      return `the octet 0x${control[0].charCodeAt(0).toString(16).padStart(2, '0')} is not allowed`
    const items = line.split(/[ \t]+/).filter(item => item !== '')
    const [keyword, ...rest] = items
    if (keyword === undefined || keyword.startsWith('#')) return null
    const parse = Object.hasOwn(this.#keywords, keyword) ? this.#keywords[keyword] : undefined
    return parse === undefined ? `“${shown(keyword)}” is none of log, witness, group, quorum` : parse(rest)
  }

  end(): TlogPolicy | null {
    if (this.#quorum === null) return null
    return { logs: this.#logs, witnesses: this.#witnesses, quorum: this.#quorum }
  }

  #log(items: readonly string[]): string | null {
    const [vkey, , ...more] = items
    if (vkey === undefined || more.length > 0) return 'a log has a vkey and at most a URL'
    const key = this.#key(vkey)
    if (key === null) return 'that is no vkey of a log'
    if (isTwice(key, this.#logs)) return 'the same public key is a log on a line before'
    if (this.#logs.push(key) > policyLimits.logs) return `more than ${policyLimits.logs} logs`
    return null
  }

  #witness(items: readonly string[]): string | null {
    const [name, vkey, , ...more] = items
    if (name === undefined || vkey === undefined || more.length > 0)
      return 'a witness has a name, a vkey and at most a URL'
    const key = this.#key(vkey)
    if (key === null || key.kind === 'ed25519') return 'that is no vkey of a witness (type 0x04 or 0x06)'
    const keys = this.#witnesses.map(witness => witness.key)
    if (isTwice(key, keys)) return 'the same public key is a witness on a line before'
    const witness: PolicyWitness = { kind: 'witness', name: shown(name), key }
    if (this.#witnesses.push(witness) > policyLimits.witnesses)
      return `more than ${policyLimits.witnesses} witnesses`
    return this.#define(name, witness)
  }

  #group(items: readonly string[]): string | null {
    const [name, count, ...names] = items
    if (name === undefined || count === undefined || names.length === 0)
      return 'a group has a name, a count (all, any or a number) and at least one member'
    const members: (PolicyWitness | PolicyGroup)[] = []
    for (const member of names) {
      const found = this.#named.get(member)
      if (found === undefined) return `“${shown(member)}” is not defined on a line before`
      if (this.#used.has(member)) return `“${shown(member)}” is a member already`
      this.#used.add(member)
      members.push(found)
    }
    const threshold = thresholdOf(count, members.length)
    if (threshold === null) return `“${shown(count)}” is none of all, any, 1 to ${members.length}`
    if (++this.#groups > policyLimits.groups) return `more than ${policyLimits.groups} groups`
    return this.#define(name, { kind: 'group', name: shown(name), threshold, members })
  }

  #quorumIs(items: readonly string[]): string | null {
    const [name, ...more] = items
    if (name === undefined || more.length > 0) return 'a quorum has one name'
    if (this.#quorum !== null) return 'a second quorum'
    const rule = name === none ? ({ kind: 'none' } as const) : this.#named.get(name)
    if (rule === undefined) return `“${shown(name)}” is not defined on a line before`
    this.#quorum = rule
    return null
  }

  #define(name: string, value: PolicyWitness | PolicyGroup): string | null {
    if (name === none) return '“none” is not to be defined'
    if (this.#named.has(name)) return `“${shown(name)}” is defined on a line before`
    this.#named.set(name, value)
    return null
  }

  #key(octets: string): TypedVerifierKey | null {
    try {
      return parseTypedVerifierKey(fromUtf8(fromOctets(octets)), this.#crypto)
    } catch {
      return null
    }
  }
}

function thresholdOf(count: string, members: number): number | null {
  if (count === 'all') return members
  if (count === 'any') return 1
  if (!/^[0-9]+$/.test(count) || count.length > maxDigits) return null
  const k = Number(count)
  return k >= 1 && k <= members ? k : null
}

function isTwice(key: VerifierKey, keys: readonly VerifierKey[]): boolean {
  return keys.some(({ publicKey }) => equalBytes(publicKey, key.publicKey))
}

/** A string with one character an octet, so that names are opaque. */
function toOctets(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

function fromOctets(octets: string): Uint8Array {
  return Uint8Array.from(octets, octet => octet.charCodeAt(0))
}

const lenient = new TextDecoder()

function shown(octets: string): string {
  return lenient.decode(fromOctets(octets))
}
