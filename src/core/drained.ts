interface Drainable {
  on(event: 'drain' | 'close', then: () => void): unknown
  off(event: 'drain' | 'close', then: () => void): unknown
}

/** Resolves when a full writable can take more, or will never: the caller asks whether it still stands. */
export function drained(writable: Drainable): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      writable.off('drain', done)
      writable.off('close', done)
      resolve()
    }
    writable.on('drain', done)
    writable.on('close', done)
  })
}
