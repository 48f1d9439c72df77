/** Runs a few jobs ahead of who takes their results, which come in the order of the items. */
export async function* inOrder<Item, Result>(
  items: Iterable<Item>,
  parallel: number,
  job: (item: Item) => Promise<Result>,
): AsyncGenerator<readonly [Item, Result]> {
  const running: { readonly item: Item; readonly result: Promise<Result> }[] = []
  const start = (item: Item): void => {
    const result = job(item)
    // Awaited in its turn; until then nobody hears of its failure.
    result.catch(() => {})
    running.push({ item, result })
  }
  for (const item of items) {
    start(item)
    if (running.length < parallel) continue
    const first = running.shift()!
    yield [first.item, await first.result]
  }
  for (const { item, result } of running) yield [item, await result]
}
