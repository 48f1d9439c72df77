/** The `most` highest of any number, and how many there were besides. */
export type Best<Item> = {
  readonly add: (item: Item) => void
  /** Highest first. */
  readonly list: () => readonly Item[]
  readonly leftOut: () => number
}

/** Kept at up to twice `most` and cut back, which costs less for each than an ordered heap. */
export function createBest<Item>(most: number, rank: (item: Item) => number): Best<Item> {
  let items: Item[] = []
  let added = 0
  let least = Number.NEGATIVE_INFINITY
  const cut = (): void => {
    items.sort((a, b) => rank(b) - rank(a))
    items = items.slice(0, most)
    if (items.length === most) least = rank(items[most - 1]!)
  }
  return {
    add(item) {
      added += 1
      if (rank(item) < least) return
      items.push(item)
      if (items.length >= 2 * most) cut()
    },
    list() {
      cut()
      return items
    },
    leftOut: () => added - Math.min(added, most),
  }
}
