import { getHeapStatistics } from 'node:v8'

const everyMs = 20
const growthBytes = 24 << 20

/**
 * Buffers of what streams through a process die young, but V8 collects the young by what JavaScript allocates on its
 * own heap, which streaming hardly does: dead buffers would pile up to a hundred megabytes and more. Looks at their
 * bytes instead, and collects (about a millisecond) when they grew. Needs `--expose-gc`; without it, does nothing.
 */
export function startYoungCollector(): Disposable {
  const collect = (globalThis as { gc?: (options: { type: 'minor' }) => void }).gc
  let floor = getHeapStatistics().external_memory
  const timer = setInterval(() => {
    const bytes = getHeapStatistics().external_memory
    if (bytes - floor < growthBytes) {
      floor = Math.min(floor, bytes)
      return
    }
    collect?.({ type: 'minor' })
    floor = getHeapStatistics().external_memory
  }, everyMs)
  timer.unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
