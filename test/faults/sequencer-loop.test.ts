import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../../src/core/errors.ts'
import { createSequencerLoop } from '../../src/ledger/sequencer-loop.ts'

/** A sequencer that does what a script says, then reports that nothing is left. */
function scripted(script: (number | Error)[]) {
  return {
    async tick() {
      const next = script.shift() ?? 0
      if (next instanceof Error) throw next
      return { entered: next, size: 0 }
    },
  }
}

function loopOver(script: (number | Error)[]) {
  const heard: string[] = []
  const loop = createSequencerLoop({
    sequencer: scripted(script),
    batchSize: 10,
    onTick: ({ entered }) => heard.push(`entered ${entered}`),
    onRetry: error => heard.push((error as Error).message),
  })
  return { loop, heard }
}

describe('the sequencer loop', () => {
  it('drains after it was told to stop', async () => {
    const { heard, loop } = loopOver([10, 10, 3, 2])
    loop.stop()
    await loop.run()
    expect(heard).toEqual(['entered 10', 'entered 10', 'entered 3', 'entered 2'])
  })

  it('tries again after what may pass', async () => {
    const { heard, loop } = loopOver([new Error('disk full'), 4])
    const running = loop.run()
    while (heard.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
    loop.stop()
    await running
    expect(heard).toEqual(['disk full', 'entered 4'])
  })

  it('does not stay for what fails while it stops', async () => {
    const { heard, loop } = loopOver([new Error('disk full'), 4])
    loop.stop()
    await loop.run()
    expect(heard).toEqual(['disk full'])
  })

  it.each(['store-damaged', 'conflict'] as const)('ends at once at %s', async code => {
    const { heard, loop } = loopOver([3, new HoldfastError(code, 'stop'), 4])
    await expect(loop.run()).rejects.toThrow('stop')
    expect(heard).toEqual(['entered 3'])
  })
})
