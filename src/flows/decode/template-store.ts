import type { Notes } from './notes.ts'
import type { Template } from './template.ts'

const maxFields = 1_000_000
const maxHeldBytes = 4 * 1024 * 1024
const maxHeldSetsOfOne = 256

/** A data set that came before its template: kept with what its message said, until the template comes. */
export type HeldSet = {
  readonly bytes: Buffer
  readonly decode: (template: Template, bytes: Buffer) => void
}

/**
 * Templates by exporter, observation domain and id (RFC 7011 section 8). Both what is learned and what is held are
 * bounded, for one sender of garbage must not take the memory of all.
 */
export class TemplateStore {
  readonly #templates = new Map<string, Map<number, Template>>()
  readonly #held = new Map<string, Map<number, HeldSet[]>>()
  readonly #notes: Notes
  #fields = 0
  #heldBytes = 0

  constructor(notes: Notes) {
    this.#notes = notes
  }

  get(domain: string, id: number): Template | null {
    return this.#templates.get(domain)?.get(id) ?? null
  }

  /** Learns a template, in place of one with the same id, and decodes what was held for it. */
  put(domain: string, template: Template): void {
    const ofDomain = this.#templates.get(domain) ?? new Map<number, Template>()
    const before = ofDomain.get(template.id)
    if (this.#fields + template.fields.length > maxFields) {
      this.#notes.unread('template: too many to keep')
      return
    }
    this.#templates.set(domain, ofDomain)
    ofDomain.set(template.id, template)
    this.#fields += template.fields.length - (before?.fields.length ?? 0)
    const held = this.#held.get(domain)?.get(template.id)
    if (held === undefined) return
    this.#held.get(domain)!.delete(template.id)
    for (const set of held) {
      this.#heldBytes -= set.bytes.length
      set.decode(template, set.bytes)
    }
  }

  /** RFC 7011 section 8.1. What comes later under this id waits for a new template. */
  withdraw(domain: string, id: number): void {
    const ofDomain = this.#templates.get(domain)
    const before = ofDomain?.get(id)
    if (ofDomain === undefined || before === undefined) return
    ofDomain.delete(id)
    this.#fields -= before.fields.length
  }

  withdrawAll(domain: string, which: 'flows' | 'options'): void {
    for (const [id, template] of this.#templates.get(domain) ?? []) {
      if (which === 'options' ? template.scopeFields > 0 : template.scopeFields === 0)
        this.withdraw(domain, id)
    }
  }

  hold(domain: string, id: number, set: HeldSet): void {
    const ofDomain = this.#held.get(domain) ?? new Map<number, HeldSet[]>()
    const sets = ofDomain.get(id) ?? []
    if (this.#heldBytes + set.bytes.length > maxHeldBytes || sets.length >= maxHeldSetsOfOne) {
      this.#notes.unread('data set without a template, and too much is waiting already', set.bytes.length)
      return
    }
    sets.push(set)
    ofDomain.set(id, sets)
    this.#held.set(domain, ofDomain)
    this.#heldBytes += set.bytes.length
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
