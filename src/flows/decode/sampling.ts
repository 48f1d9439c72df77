import type { SamplingSource } from '../flow-record.ts'
import { Budget, exporterOf } from './budget.ts'
import { unsigned } from './field-values.ts'
import type { Notes } from './notes.ts'

export type Sampling = { readonly rate: number; readonly from: SamplingSource }

export const unsampled: Sampling = { rate: 1, from: 'none' }

/** What one record, of flows or of options, says about sampling. */
export type SamplingFields = {
  /** Sampler or selector that the statement is about; `null` is the whole domain, or the interfaces below. */
  sampler: number | null
  /** Interfaces, where they were read; 0 is none, for indexes begin at 1 (RFC 2863). */
  ingress: number
  egress: number
  /** The flow was seen on its way out, so that its egress interface is the one that sampled it. */
  isEgress: boolean
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
    ingress: 0,
    egress: 0,
    isEgress: false,
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
    case 10: // ingressInterface
      into.ingress = unsigned(bytes, at, length)
      return true
    case 14: // egressInterface
      into.egress = unsigned(bytes, at, length)
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

/**
 * A rate is kept under the number of its sampler. What is about no sampler has a number below zero, so that one number
 * names each in a snapshot too: -1 is the whole domain, then interfaces by the way that packets go through them.
 */
const wholeDomain = -1
const ingressKey = (index: number) => -2 - 2 * index
const egressKey = (index: number) => -3 - 2 * index

const noSampler = 0
const early = 'records counted as not sampled, for their sampling rate came after them'
const unknownSampler = 'records counted as not sampled, for nobody stated the rate of the sampler they name'
const namesNone = 'records counted as not sampled, for they name none of the several rates that were stated'

/** What one domain's options stated. */
export type DomainRates = {
  readonly byKey: Map<number, Sampling>
  /** How many samplers and interfaces share a rate. */
  readonly sharers: Map<number, number>
  /** The rate that all samplers and interfaces share; `null` when theirs differ or there are none. */
  only: Sampling | null
  /** Rates were stated by interface, so that the interfaces of the domain's records need to be read. */
  hasInterfaces: boolean
}

/** Rates that options records stated, by exporter, domain, and sampler or interface. */
export class SamplingTable {
  readonly #rates = new Map<string, DomainRates>()
  /** Records counted one to one because no rate was stated yet, by the sampler that they name. */
  readonly #unstated = new Map<string, Map<number, number>>()
  readonly #ratesBudget = new Budget({ all: 100_000, each: 4000 })
  /** Apart, for records that name samplers at random must not take the place of rates. */
  readonly #unstatedBudget = new Budget({ all: 100_000, each: 1000 })
  readonly #notes: Notes
  #own: Sampling = unsampled

  constructor(notes: Notes) {
    this.#notes = notes
  }

  learn(domain: string, fields: SamplingFields): void {
    const rate = statedRate(fields)
    if (rate === null) return
    const { sampler, ingress, egress } = fields
    if (sampler !== null) this.#learn(domain, sampler, rate)
    else if (ingress === 0 && egress === 0) this.#learn(domain, wholeDomain, rate)
    else {
      if (ingress !== 0) this.#learn(domain, ingressKey(ingress), rate)
      if (egress !== 0) this.#learn(domain, egressKey(egress), rate)
    }
  }

  /** Every rate that options stated, by what it is about; `null` is the whole domain. `learn` takes them back. */
  *stated(): Generator<readonly [domain: string, sampler: number | null, rate: number]> {
    for (const [domain, { byKey }] of this.#rates)
      for (const [key, { rate }] of byKey) yield [domain, key === wholeDomain ? null : key, rate]
  }

  /** `null` when nobody stated any. */
  ofDomain(domain: string): DomainRates | null {
    return this.#rates.get(domain) ?? null
  }

  /**
   * The record's own word first, then its sampler's, its interface's, its domain's. A record that names nothing has the
   * rate of the domain's samplers, where these have but one. `fields` is `null` when the record says nothing of it.
   */
  of(rates: DomainRates | null, fields: SamplingFields | null): Sampling {
    if (fields === null) return rates?.byKey.get(wholeDomain) ?? rates?.only ?? unsampled
    const own = statedRate(fields)
    if (own !== null && own > 1) return this.#record(own)
    const learned = rates === null ? null : learnedRate(rates, fields)
    if (learned !== null) return learned
    if (own !== null) return this.#record(own)
    return (fields.sampler === null ? rates?.only : null) ?? unsampled
  }

  /** Records that went on without a rate, as `of` found none. */
  countUnstated(domain: string, sampler: number | null, records: number): void {
    if (sampler === null && this.#rates.has(domain)) {
      this.#notes.lost(namesNone, records)
      return
    }
    const key = sampler ?? wholeDomain
    const ofDomain = this.#unstated.get(domain) ?? new Map<number, number>()
    const before = ofDomain.get(key)
    if (before === undefined && !this.#unstatedBudget.spend(exporterOf(domain), 1)) {
      if (key > noSampler) this.#notes.lost(unknownSampler, records)
      return
    }
    ofDomain.set(key, (before ?? 0) + records)
    this.#unstated.set(domain, ofDomain)
  }

  /** No more input will come: what named a sampler and never heard of its rate. A sampler of 0 is none. */
  end(): void {
    for (const unstated of this.#unstated.values()) {
      for (const [sampler, records] of unstated)
        if (sampler > noSampler) this.#notes.lost(unknownSampler, records)
    }
  }

  #learn(domain: string, key: number, rate: number): void {
    const rates = this.#rates.get(domain) ?? noRates()
    const before = rates.byKey.get(key)
    if (before?.rate === rate) return
    // A number past 2^53 cannot be told from others like it.
    if (!Number.isFinite(key) || (before === undefined && !this.#ratesBudget.spend(exporterOf(domain), 1))) {
      this.#notes.unread('sampling rate: too many to keep')
      return
    }
    this.#rates.set(domain, rates)
    const learned: Sampling = { rate, from: 'options' }
    rates.byKey.set(key, learned)
    if (key !== wholeDomain) {
      if (before !== undefined) share(rates, before.rate, -1)
      share(rates, rate, 1)
      rates.only = rates.sharers.size === 1 ? learned : null
      if (key < wholeDomain) rates.hasInterfaces = true
    }
    this.#noteEarly(domain, key, rate)
  }

  /** What records stand for that came before the rate cannot be known any more: they went on as they were. */
  #noteEarly(domain: string, key: number, rate: number): void {
    const unstated = this.#unstated.get(domain)
    if (unstated === undefined) return
    const isSampler = key > wholeDomain
    const meant = isSampler ? [key] : [wholeDomain, noSampler]
    // Those that name nothing go by a sampler's rate too, as long as it is the only one.
    if (isSampler && rate > 1) meant.push(wholeDomain)
    for (const one of meant) {
      const records = unstated.get(one)
      if (records === undefined) continue
      unstated.delete(one)
      this.#unstatedBudget.giveBack(exporterOf(domain), 1)
      if (rate > 1) this.#notes.lost(early, records)
    }
    if (unstated.size === 0) this.#unstated.delete(domain)
  }

  /** Records of one exporter state one rate again and again. */
  #record(rate: number): Sampling {
    if (this.#own.rate !== rate || this.#own.from !== 'record') this.#own = { rate, from: 'record' }
    return this.#own
  }
}

function noRates(): DomainRates {
  return { byKey: new Map(), sharers: new Map(), only: null, hasInterfaces: false }
}

function share({ sharers }: DomainRates, rate: number, more: 1 | -1): void {
  const count = (sharers.get(rate) ?? 0) + more
  if (count > 0) sharers.set(rate, count)
  else sharers.delete(rate)
}

function learnedRate({ byKey, hasInterfaces }: DomainRates, fields: SamplingFields): Sampling | null {
  const ofSampler = fields.sampler === null ? undefined : byKey.get(fields.sampler)
  if (ofSampler !== undefined) return ofSampler
  if (hasInterfaces) {
    const ingress = byKey.get(ingressKey(fields.ingress))
    const egress = byKey.get(egressKey(fields.egress))
    const ofInterface = fields.isEgress ? (egress ?? ingress) : (ingress ?? egress)
    if (ofInterface !== undefined) return ofInterface
  }
  return byKey.get(wholeDomain) ?? null
}
