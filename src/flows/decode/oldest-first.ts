/**
 * A map in the order in which its entries were set last. One iterator serves many calls of `takeOldest`: a fresh one
 * would step each time over all that was deleted before it, which made 100,000 flows cost seconds.
 */
export class OldestFirst<Value> {
  readonly #entries = new Map<string, Value>()
  #oldest: MapIterator<[string, Value]> | null = null
  #setsSinceOldest = 0

  get size(): number {
    return this.#entries.size
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)
  }

  /** As the newest. */
  set(key: string, value: Value): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    // An iterator keeps every table alive that the map has outgrown since.
    this.#setsSinceOldest += 1
    if (this.#setsSinceOldest > this.#entries.size) this.#oldest = null
  }

  delete(key: string): boolean {
    return this.#entries.delete(key)
  }

  takeOldest(): readonly [key: string, value: Value] | null {
    let next = this.#oldest?.next()
    if (next === undefined || next.done) {
      this.#oldest = this.#entries.entries()
      this.#setsSinceOldest = 0
      next = this.#oldest.next()
    }
    if (next.done) return null
    this.#entries.delete(next.value[0])
    return next.value
  }

  values(): Iterable<Value> {
    return this.#entries.values()
  }

  [Symbol.iterator](): Iterator<[string, Value]> {
    return this.#entries.entries()
  }
}
