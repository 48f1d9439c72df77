import type { Notes } from './notes.ts'
import { planRecord, type RecordPlan } from './record-plan.ts'
import type { Template } from './template.ts'
import type { MessageTimes } from './template-record.ts'

/** A template costs more than its fields, so each counts as this many more. */
const fieldsOfTemplate = 8
const maxFields = 1_000_000
const maxHeldBytes = 4 * 1024 * 1024
const maxHeldSetsOfOne = 256
/** What holding a set costs beside its bytes: sets of no bytes must not come without end. */
const heldOverheadBytes = 128

export type LearnedTemplate = { readonly template: Template; readonly plan: RecordPlan }

/** A data set that came before its template: kept with what its message said, until the template comes. */
export type HeldSet = {
  readonly bytes: Buffer
  readonly exporter: string
  readonly times: MessageTimes
  readonly decode: (template: LearnedTemplate, bytes: Buffer) => void
}

/**
 * Templates by exporter, observation domain and id (RFC 7011 section 8). Both what is learned and what is held are
 * bounded, for one sender of garbage must not take the memory of all.
 */
export class TemplateStore {
  readonly #templates = new Map<string, Map<number, LearnedTemplate>>()
  readonly #held = new Map<string, Map<number, HeldSet[]>>()
  readonly #notes: Notes
  #fields = 0
  #heldBytes = 0

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
    if (this.#fields + costOf(template) > maxFields) {
      this.#notes.unread('template: too many to keep')
      return
    }
    this.#templates.set(domain, ofDomain)
    const learned = { template, plan: planRecord(template) }
    ofDomain.set(template.id, learned)
    this.#fields += costOf(template) - (before === undefined ? 0 : costOf(before))
    const held = this.#held.get(domain)?.get(template.id)
    if (held === undefined) return
    this.#held.get(domain)!.delete(template.id)
    for (const set of held) {
      this.#heldBytes -= set.bytes.length + heldOverheadBytes
      set.decode(learned, set.bytes)
    }
  }

  /** RFC 7011 section 8.1. What comes later under this id waits for a new template. */
  withdraw(domain: string, id: number): void {
    const ofDomain = this.#templates.get(domain)
    const before = ofDomain?.get(id)
    if (ofDomain === undefined || before === undefined) return
    ofDomain.delete(id)
    this.#fields -= costOf(before.template)
  }

  withdrawAll(domain: string, which: 'flows' | 'options'): void {
    for (const [id, { template }] of this.#templates.get(domain) ?? []) {
      if (template.isOptions === (which === 'options')) this.withdraw(domain, id)
    }
  }

  hold(domain: string, id: number, set: HeldSet): void {
    const ofDomain = this.#held.get(domain) ?? new Map<number, HeldSet[]>()
    const sets = ofDomain.get(id) ?? []
    const cost = set.bytes.length + heldOverheadBytes
    if (this.#heldBytes + cost > maxHeldBytes || sets.length >= maxHeldSetsOfOne) {
      this.#notes.unread('data set without a template, and too much is waiting already', set.bytes.length)
      return
    }
    sets.push(set)
    ofDomain.set(id, sets)
    this.#held.set(domain, ofDomain)
    this.#heldBytes += cost
  }

  /** No more input will come: what still waits was never read. */
  end(): void {
    for (const ofDomain of this.#held.values()) {
      for (const sets of ofDomain.values()) {
        for (const set of sets) this.#notes.unread('data set whose template never came', set.bytes.length)
      }
    }
    this.#held.clear()
    this.#heldBytes = 0
  }
}

function costOf(template: Template): number {
  return template.fields.length + fieldsOfTemplate
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
