/** Lets one at a time have a name, in the order in which they asked. */
export interface Holds {
  hold(name: string): Promise<Disposable>
}

export function createHolds(): Holds {
  const last = new Map<string, Promise<void>>()
  return {
    async hold(name) {
      const before = last.get(name)
      let release = (): void => {}
      const mine = new Promise<void>(resolve => {
        release = resolve
      })
      last.set(name, mine)
      await before
      return {
        [Symbol.dispose]() {
          if (last.get(name) === mine) last.delete(name)
          release()
        },
      }
    },
  }
}
