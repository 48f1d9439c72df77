import { Budget, exporterOf } from './budget.ts'
import type { Notes } from './notes.ts'
import { planRecord, type RecordPlan } from './record-plan.ts'
import type { Template } from './template.ts'
import type { MessageTimes } from './template-record.ts'

/** A template costs more than its fields, so each counts as this many more. */
const fieldsOfTemplate = 8
const maxHeldSetsOfOne = 256
/** What holding a set costs beside its bytes: sets of no bytes must not come without end. */
const heldOverheadBytes = 128

export type LearnedTemplate = {
  readonly template: Template
  readonly plan: RecordPlan
  /** Made when it is first needed. */
  planWithInterfaces: RecordPlan | null
}

/** A data set that came before its template: kept with what its message said, until the template comes. */
export type HeldSet = {
  readonly bytes: Buffer
  readonly exporter: string
  readonly times: MessageTimes
  readonly decode: (template: LearnedTemplate, bytes: Buffer) => void
}

/**
 * Templates by exporter, observation domain and id (RFC 7011 section 8). Both what is learned and what is held are
 * bounded, in all and by exporter, for one sender of garbage must take neither the memory of all nor their room.
 */
export class TemplateStore {
  readonly #templates = new Map<string, Map<number, LearnedTemplate>>()
  readonly #held = new Map<string, Map<number, HeldSet[]>>()
  readonly #notes: Notes
  readonly #fields = new Budget({ all: 1_000_000, each: 20_000 })
  readonly #heldBytes = new Budget({ all: 4 * 1024 * 1024, each: 256 * 1024 })

  constructor(notes: Notes) {
    this.#notes = notes
  }

  get(domain: string, id: number): LearnedTemplate | null {
    return this.#templates.get(domain)?.get(id) ?? null
  }

  *all(): Generator<readonly [domain: string, template: Template]> {
    for (const [domain, ofDomain] of this.#templates)
      for (const { template } of ofDomain.values()) yield [domain, template]
  }

  /** Sets that still wait. */
  *allHeld(): Generator<readonly [domain: string, id: number, set: HeldSet]> {
    for (const [domain, ofDomain] of this.#held)
      for (const [id, sets] of ofDomain) for (const set of sets) yield [domain, id, set]
  }

  /** Learns a template, in place of one with the same id, and decodes what was held for it. */
  put(domain: string, template: Template): void {
    const ofDomain = this.#templates.get(domain) ?? new Map<number, LearnedTemplate>()
    const before = ofDomain.get(template.id)?.template
    // Templates are sent again every few minutes, mostly the same.
    if (before !== undefined && isSame(before, template)) return
    const exporter = exporterOf(domain)
    if (before !== undefined) this.#fields.giveBack(exporter, costOf(before))
    if (!this.#fields.spend(exporter, costOf(template))) {
      // The one before is of another shape: records that come now would be misread by it.
      ofDomain.delete(template.id)
      this.#notes.unread('template: too many to keep')
      return
    }
    this.#templates.set(domain, ofDomain)
    const learned: LearnedTemplate = { template, plan: planRecord(template), planWithInterfaces: null }
    ofDomain.set(template.id, learned)
    const held = this.#held.get(domain)?.get(template.id)
    if (held === undefined) return
    this.#held.get(domain)!.delete(template.id)
    for (const set of held) {
      this.#heldBytes.giveBack(exporter, heldCost(set))
      set.decode(learned, set.bytes)
    }
  }

  /** RFC 7011 section 8.1. What comes later under this id waits for a new template. */
  withdraw(domain: string, id: number): void {
    const ofDomain = this.#templates.get(domain)
    const before = ofDomain?.get(id)
    if (ofDomain === undefined || before === undefined) return
    ofDomain.delete(id)
    this.#fields.giveBack(exporterOf(domain), costOf(before.template))
  }

  withdrawAll(domain: string, which: 'flows' | 'options'): void {
    for (const [id, { template }] of this.#templates.get(domain) ?? []) {
      if (template.isOptions === (which === 'options')) this.withdraw(domain, id)
    }
  }

  hold(domain: string, id: number, set: HeldSet): void {
    const ofDomain = this.#held.get(domain) ?? new Map<number, HeldSet[]>()
    const sets = ofDomain.get(id) ?? []
    if (sets.length >= maxHeldSetsOfOne || !this.#heldBytes.spend(exporterOf(domain), heldCost(set))) {
      this.#notes.unread('data set without a template, and too much is waiting already', set.bytes.length)
      return
    }
    sets.push(set)
    ofDomain.set(id, sets)
    this.#held.set(domain, ofDomain)
  }

  /** No more input will come: what still waits was never read. */
  end(): void {
    for (const [domain, ofDomain] of this.#held) {
      for (const set of [...ofDomain.values()].flat()) {
        this.#notes.unread('data set whose template never came', set.bytes.length)
        this.#heldBytes.giveBack(exporterOf(domain), heldCost(set))
      }
    }
    this.#held.clear()
  }
}

function costOf(template: Template): number {
  return template.fields.length + fieldsOfTemplate
}

function heldCost({ bytes }: HeldSet): number {
  return bytes.length + heldOverheadBytes
}

function isSame(a: Template, b: Template): boolean {
  return (
    a.isOptions === b.isOptions &&
    a.scopeFields === b.scopeFields &&
    a.fields.length === b.fields.length &&
    a.fields.every((field, i) => {
      const other = b.fields[i]!
      return field.id === other.id && field.pen === other.pen && field.length === other.length
    })
  )
}
