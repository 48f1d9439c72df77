/** What can be asked of stored flows, whatever keeps them. */
import { HoldfastError } from '../../core/errors.ts'
import { canonicalAddress, parseAddress } from '../address.ts'
import { CidrTable, parseCidr } from '../locate/cidr.ts'

/** Single records, or the sums that stay when they are gone (`docs/collect.md`). */
export type Layer = 'raw' | 'rollup'

type FieldKind = 'text' | 'address' | 'port' | 'number' | 'time'
type FieldFacts = { readonly kind: FieldKind; readonly in: readonly Layer[] }

const both = ['raw', 'rollup'] as const

export const fields = {
  hour: { kind: 'time', in: both },
  day: { kind: 'time', in: both },
  src_addr: { kind: 'address', in: both },
  src_port: { kind: 'port', in: ['raw'] },
  dst_addr: { kind: 'address', in: ['raw'] },
  dst_port: { kind: 'port', in: both },
  dst_network: { kind: 'text', in: ['rollup'] },
  dst_country: { kind: 'text', in: ['rollup'] },
  dst_asn: { kind: 'number', in: ['rollup'] },
  protocol: { kind: 'number', in: both },
  exporter: { kind: 'text', in: both },
  direction: { kind: 'text', in: both },
} as const satisfies Readonly<Record<string, FieldFacts>>

export type Field = keyof typeof fields

export const measures = ['bytes', 'packets', 'flows'] as const
export type Measure = (typeof measures)[number]

export type Question = {
  readonly by: readonly Field[]
  /** A row must have one of the values of each. */
  readonly where: readonly { readonly field: Field; readonly values: readonly string[] }[]
  /** By when a flow began. */
  readonly fromUnixMs: number | null
  readonly untilUnixMs: number | null
  readonly order: Measure
  readonly top: number
}

/** Sums as exporters said them, times their sampling rate: what several saw counts several times. */
export type Sums = Readonly<Record<Measure, number>>

export type Answer = {
  /** The largest; `keys` in the order of the question's `by`, `null` where the record does not say. */
  readonly rows: readonly (Sums & { readonly keys: readonly (string | number | null)[] })[]
  readonly total: Sums
  readonly groups: number
  readonly exporters: number
}

export type FlowStore = AsyncDisposable & {
  readonly ask: (question: Question, layer: Layer) => Promise<Answer>
  /** Every different value of an address field in that time. */
  readonly addresses: (field: Field, question: Question, layer: Layer) => Promise<readonly string[]>
  /** Which hours it has, so that it can be said what an answer lacks. */
  readonly hours: () => Promise<readonly StoredHour[]>
}

export type StoredHour = {
  readonly collector: string
  readonly layer: Layer
  /** Since 1970; `null` for what lies in no hour of its own. */
  readonly hour: number | null
  /** The last segment in it. */
  readonly through: number
  /** It is being brought there, or was cut off. */
  readonly isPartial: boolean
}

/** The layer that has every field that is named. Throws `bad-input` when none has. */
export function layerOf({ by, where }: Question, wanted: Layer | null): Layer {
  const named = [...by, ...where.map(({ field }) => field)]
  const lacks = (layer: Layer) =>
    named.filter(field => !(fields[field].in as readonly Layer[]).includes(layer))
  const [raw, rollup] = [lacks('raw'), lacks('rollup')]
  if (wanted !== null) {
    const [missing] = wanted === 'raw' ? raw : rollup
    if (missing === undefined) return wanted
    throw bad(`${missing} is not in ${words[wanted]}`)
  }
  if (raw.length === 0) return 'raw'
  if (rollup.length === 0) return 'rollup'
  throw bad(
    `${raw[0]} is only in ${words.rollup}, and ${rollup[0]} only in ${words.raw}: ask for one of them`,
  )
}

export const words = { raw: 'single records', rollup: 'roll-ups' } as const satisfies Record<Layer, string>

const protocolNumbers: Readonly<Record<string, string>> = { icmp: '1', tcp: '6', udp: '17', icmp6: '58' }

/** One value of a condition in the spelling of the stores. Throws `bad-input` for what no record can say. */
export function spelling(field: Field, text: string): string {
  const { kind } = fields[field]
  const value = field === 'protocol' ? (protocolNumbers[text.toLowerCase()] ?? text) : text
  const isRight =
    kind === 'address'
      ? parseCidr(value) !== null
      : kind === 'number'
        ? /^\d{1,10}$/.test(value)
        : kind === 'port'
          ? isPorts(value)
          : kind === 'text' && /^[\w.:/-]{1,64}$/.test(value)
  if (!isRight) throw bad(`${field} is never "${text}"`)
  if (field === 'dst_country') return value.toUpperCase()
  return kind === 'address' ? (canonicalAddress(value) ?? value) : value
}

const largestPort = 65_535

function isPorts(text: string): boolean {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text)
  if (match === null) return false
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])]
  return from <= to && to <= largestPort
}

/** How roll-ups spell the ports that a connection's own side chooses. */
const portRanges = ['1024-49151', '49152-65535']

/** Throws `bad-input` for a condition that no row of this layer can meet by its spelling alone. */
export function checkLayer({ where }: Question, layer: Layer): void {
  if (layer === 'raw') return
  for (const { field, values } of where)
    for (const value of values)
      if (
        fields[field].kind === 'port' &&
        (Number(value) >= 1024 || value.includes('-')) &&
        !portRanges.includes(value)
      )
        throw bad(
          `in ${words.rollup} ports from 1024 on are ${portRanges.join(' and ')}, so ${field} is never ${value}`,
        )
}

const mostAddresses = 50_000

/** Ranges among the values of address fields become the addresses that the store has of them. */
export async function withAddresses(store: FlowStore, question: Question, layer: Layer): Promise<Question> {
  const where: Question['where'][number][] = []
  for (const condition of question.where) {
    const ranges = condition.values.filter(value => value.includes('/'))
    if (fields[condition.field].kind !== 'address' || ranges.length === 0) {
      where.push(condition)
      continue
    }
    const table = new CidrTable<true>()
    for (const range of ranges) table.add(parseCidr(range) ?? fail(`${range} is no range of addresses`), true)
    const values = condition.values.filter(value => !value.includes('/'))
    for (const text of await store.addresses(condition.field, question, layer)) {
      const address = parseAddress(text)
      if (address === null || table.find(address).length === 0) continue
      if (values.push(text) > mostAddresses)
        fail(`${ranges.join(', ')}: more than ${mostAddresses} of the stored addresses lie there`)
    }
    where.push({ field: condition.field, values })
  }
  return { ...question, where }
}

function fail(message: string): never {
  throw bad(message)
}

function bad(message: string): HoldfastError {
  return new HoldfastError('bad-input', message)
}
