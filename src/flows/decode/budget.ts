/** What may be kept in all, and for each exporter beneath that: one sender must not use up what belongs to all. */
export class Budget {
  readonly #all: number
  readonly #each: number
  readonly #spent = new Map<string, number>()
  #spentInAll = 0

  constructor({ all, each }: { readonly all: number; readonly each: number }) {
    this.#all = all
    this.#each = each
  }

  /** False, and nothing spent, when there is not enough left. */
  spend(exporter: string, cost: number): boolean {
    const spent = (this.#spent.get(exporter) ?? 0) + cost
    if (spent > this.#each || this.#spentInAll + cost > this.#all) return false
    this.#spent.set(exporter, spent)
    this.#spentInAll += cost
    return true
  }

  giveBack(exporter: string, cost: number): void {
    const left = (this.#spent.get(exporter) ?? 0) - cost
    if (left > 0) this.#spent.set(exporter, left)
    else this.#spent.delete(exporter)
    this.#spentInAll -= cost
  }
}

/** Domains are named `version|exporter|number`. */
export function exporterOf(domain: string): string {
  return domain.slice(domain.indexOf('|') + 1, domain.lastIndexOf('|'))
}
