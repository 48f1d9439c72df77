import type { SamplingSource } from '../flow-record.ts'
import { unsigned } from './field-values.ts'

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

/** Rates that options records stated, by exporter, domain and sampler. */
export class SamplingTable {
  readonly #domains = new Map<string, Map<number, Sampling>>()
  #samplers = 0
  #own: Sampling = unsampled

  learn(domain: string, fields: SamplingFields): void {
    const rate = statedRate(fields)
    if (rate === null) return
    const rates = this.#domains.get(domain) ?? new Map<number, Sampling>()
    const sampler = fields.sampler ?? wholeDomain
    if (!rates.has(sampler)) {
      if (this.#samplers >= maxSamplers) return
      this.#samplers += 1
    }
    rates.set(sampler, { rate, from: 'options' })
    this.#domains.set(domain, rates)
  }

  /** The record's own word first, then its sampler's, then its domain's. `null`: the record says nothing of it. */
  of(domain: string, fields: SamplingFields | null): Sampling {
    const rates = this.#domains.get(domain)
    if (fields === null) return rates?.get(wholeDomain) ?? unsampled
    const own = statedRate(fields)
    if (own !== null && own > 1) return this.#record(own)
    const ofSampler = fields.sampler === null || fields.sampler === 0 ? undefined : rates?.get(fields.sampler)
    const learned = ofSampler ?? rates?.get(wholeDomain)
    if (learned !== undefined) return learned
    return own === null ? unsampled : this.#record(own)
  }

  /** Records of one exporter state one rate again and again. */
  #record(rate: number): Sampling {
    if (this.#own.rate !== rate || this.#own.from !== 'record') this.#own = { rate, from: 'record' }
    return this.#own
  }
}
