import { Session } from 'node:inspector'

/** Blocks of the code under test that have run, as V8 counts them. */
export type Coverage = {
  /** How many blocks ran, since the last call, that never ran before. Each is counted once. */
  readonly fresh: () => number
  /** Forgets what ran since the last call. */
  readonly skip: () => void
  readonly blocks: () => number
  readonly close: () => void
}

type Taken = {
  readonly result: readonly {
    readonly url: string
    readonly functions: readonly {
      readonly ranges: readonly {
        readonly startOffset: number
        readonly endOffset: number
        readonly count: number
      }[]
    }[]
  }[]
}

/** Counts of a block are told apart by their order of magnitude: a loop that runs longer is news too. */
export function watchCoverage(isOfInterest: (url: string) => boolean): Coverage {
  const session = new Session()
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  const seen = new Set<string>()
  const take = (): Taken => {
    let taken: Taken = { result: [] }
    session.post('Profiler.takePreciseCoverage', (error, result) => {
      if (error !== null) throw error
      taken = result
    })
    return taken
  }
  return {
    fresh() {
      let found = 0
      for (const { url, functions } of take().result) {
        if (!isOfInterest(url)) continue
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            if (count === 0) continue
            const key = `${url}:${startOffset}-${endOffset}:${Math.min(8, 32 - Math.clz32(count))}`
            if (seen.has(key)) continue
            seen.add(key)
            found += 1
          }
        }
      }
      return found
    },
    skip: () => void take(),
    blocks: () => seen.size,
    close: () => session.disconnect(),
  }
}
