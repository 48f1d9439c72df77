/** So many at once, in the order in which they asked. */
export interface Slots {
  take(): Promise<Disposable>
}

export function createSlots(count: number): Slots {
  let free = count
  const waiting: (() => void)[] = []
  return {
    async take() {
      if (free > 0) free--
      else await new Promise<void>(resolve => waiting.push(resolve))
      return {
        [Symbol.dispose]() {
          const next = waiting.shift()
          if (next === undefined) free++
          else next()
        },
      }
    },
  }
}
