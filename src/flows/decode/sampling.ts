import type { SamplingSource } from '../flow-record.ts'
import { unsigned } from './field-values.ts'
import type { Notes } from './notes.ts'

export type Sampling = { readonly rate: number; readonly from: SamplingSource }

export const unsampled: Sampling = { rate: 1, from: 'none' }

/** What one record, of flows or of options, says about sampling. */
export type SamplingFields = {
  /** Sampler or selector that the statement is about; `null` is the whole observation domain. */
  sampler: number | null
  interval: number
  packetInterval: number
  packetSpace: number
  size: number
  population: number
  probability: number
}

export function noSamplingFields(): SamplingFields {
  return {
    sampler: null,
    interval: 0,
    packetInterval: 0,
    packetSpace: 0,
    size: 0,
    population: 0,
    probability: 0,
  }
}

/** True when the field was one about sampling. Numbers: IANA's IPFIX registry, RFC 5477. */
export function readSamplingField(
  into: SamplingFields,
  id: number,
  bytes: Buffer,
  at: number,
  length: number,
): boolean {
  switch (id) {
    case 48: // samplerId
    case 302: // selectorId
      into.sampler = unsigned(bytes, at, length)
      return true
    case 34: // samplingInterval
    case 50: // samplerRandomInterval
      into.interval = unsigned(bytes, at, length)
      return true
    case 305:
      into.packetInterval = unsigned(bytes, at, length)
      return true
    case 306:
      into.packetSpace = unsigned(bytes, at, length)
      return true
    case 309:
      into.size = unsigned(bytes, at, length)
      return true
    case 310:
      into.population = unsigned(bytes, at, length)
      return true
    case 311:
      if (length === 8) into.probability = bytes.readDoubleBE(at)
      if (length === 4) into.probability = bytes.readFloatBE(at)
      return true
    default:
      return false
  }
}

/** Packets that one packet seen stands for; `null` when the record does not say. */
function statedRate(fields: SamplingFields): number | null {
  const rate =
    fields.interval > 0
      ? fields.interval
      : fields.packetInterval > 0
        ? (fields.packetInterval + fields.packetSpace) / fields.packetInterval
        : fields.size > 0 && fields.population > 0
          ? fields.population / fields.size
          : fields.probability > 0
            ? 1 / fields.probability
            : null
  return rate !== null && rate >= 1 && rate <= 2 ** 32 ? rate : null
}

const maxSamplers = 100_000
/** Under this number stands what holds for the whole domain. */
const wholeDomain = -1

type Domain = {
  readonly rates: Map<number, Sampling>
  /** Records counted one to one because no rate was stated yet, by the sampler that they name. */
  readonly unstated: Map<number, number>
}

/** Rates that options records stated, by exporter, domain and sampler. */
export class SamplingTable {
  readonly #domains = new Map<string, Domain>()
  readonly #notes: Notes
  #samplers = 0
  #own: Sampling = unsampled

  constructor(notes: Notes) {
    this.#notes = notes
  }

  learn(domain: string, fields: SamplingFields): void {
    const rate = statedRate(fields)
    if (rate === null) return
    const sampler = fields.sampler ?? wholeDomain
    const known = this.#domain(domain)
    if (known === null) return
    if (!known.rates.has(sampler)) {
      if (this.#samplers >= maxSamplers) return
      this.#samplers += 1
    }
    known.rates.set(sampler, { rate, from: 'options' })
    const early = known.unstated.get(sampler) ?? 0
    known.unstated.delete(sampler)
    // What they stand for cannot be known any more: they went on as they were.
    if (early > 0 && rate > 1) {
      this.#notes.lost('records counted as not sampled, for their sampling rate came after them', early)
    }
  }

  /** Every rate that options stated; a sampler of `null` is the whole domain. `learn` takes them back. */
  *stated(): Generator<readonly [domain: string, sampler: number | null, rate: number]> {
    for (const [domain, { rates }] of this.#domains)
      for (const [sampler, { rate }] of rates) yield [domain, sampler === wholeDomain ? null : sampler, rate]
  }

  /** The record's own word first, then its sampler's, then its domain's. `null`: the record says nothing of it. */
  of(domain: string, fields: SamplingFields | null): Sampling {
    const rates = this.#domains.get(domain)?.rates
    if (fields === null) return rates?.get(wholeDomain) ?? unsampled
    const own = statedRate(fields)
    if (own !== null && own > 1) return this.#record(own)
    const ofSampler = fields.sampler === null || fields.sampler === 0 ? undefined : rates?.get(fields.sampler)
    const learned = ofSampler ?? rates?.get(wholeDomain)
    if (learned !== undefined) return learned
    return own === null ? unsampled : this.#record(own)
  }

  /** Records that went on without a rate. A sampler of 0 is none. */
  countUnstated(domain: string, sampler: number | null, records: number): void {
    if (sampler === 0) return
    const known = this.#domain(domain)
    if (known === null) return
    const key = sampler ?? wholeDomain
    const before = known.unstated.get(key)
    if (before === undefined && this.#samplers++ >= maxSamplers) return
    known.unstated.set(key, (before ?? 0) + records)
  }

  /** No more input will come: what named a sampler and never heard of its rate. */
  end(): void {
    for (const { unstated } of this.#domains.values()) {
      for (const [sampler, records] of unstated) {
        if (sampler !== wholeDomain) {
          this.#notes.lost(
            'records counted as not sampled, for nobody stated the rate of the sampler they name',
            records,
          )
        }
      }
    }
  }

  #domain(domain: string): Domain | null {
    const known = this.#domains.get(domain)
    if (known !== undefined) return known
    if (this.#domains.size >= maxSamplers) return null
    const fresh: Domain = { rates: new Map(), unstated: new Map() }
    this.#domains.set(domain, fresh)
    return fresh
  }

  /** Records of one exporter state one rate again and again. */
  #record(rate: number): Sampling {
    if (this.#own.rate !== rate || this.#own.from !== 'record') this.#own = { rate, from: 'record' }
    return this.#own
  }
}
