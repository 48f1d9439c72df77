import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { toHex, utf8 } from '../../src/core/bytes.ts'
import { createFileTileStore } from '../../src/ledger/file-tile-store.ts'
import { fsckLedger } from '../../src/ledger/fsck-ledger.ts'
import { loadOrCreateLogKey } from '../../src/ledger/log-keys.ts'
import { type PublishedCheckpoint, readPublished } from '../../src/ledger/published-log.ts'
import { createSequencer } from '../../src/ledger/sequencer.ts'
import { storedLeaves } from '../../src/ledger/stored-leaves.ts'
import { rootOfLeaves } from '../../src/ledger/tree-reader.ts'
import { openLmdbCatalog } from '../../src/store/lmdb-catalog.ts'
import { crypto, region } from '../support/ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-killed-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const script = join(import.meta.dirname, '..', 'support', 'busy-ledger.ts')

/** Runs it until it has said `lines` ids, kills it without warning, and returns the ids it had said. */
function runAndKill(lines: number): Promise<string[]> {
  const child = spawn(process.execPath, [script, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    said += text
    if (said.split('\n').length > lines) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(said.split('\n').slice(0, -1))
      else reject(new Error(`the process ended by itself with ${code}`))
    })
  })
}

describe('a region that is killed while it is busy', () => {
  it('keeps what it acknowledged, once each, and never contradicts a checkpoint it published', async () => {
    const origin = 'log.example/busy'
    const signer = await loadOrCreateLogKey(join(folder, 'log.pem'), origin, crypto)
    const { log } = signer
    const tiles = createFileTileStore(join(folder, 'log'))
    const acknowledged: string[] = []
    const published: PublishedCheckpoint[] = []
    for (const lines of [40, 150, 333, 20, 401]) {
      acknowledged.push(...(await runAndKill(lines)))
      const checkpoint = await readPublished(tiles, log, crypto)
      if (checkpoint !== null) published.push(checkpoint)
    }

    await using catalog = await openLmdbCatalog(join(folder, 'catalog'))
    const sequencer = createSequencer({
      catalog,
      tiles,
      region,
      signer,
      log,
      crypto,
      randomBytes,
      batchSize: 100,
    })
    while ((await sequencer.tick()).entered > 0);
    expect(await fsckLedger({ catalog, tiles, log, crypto }, region)).toEqual([])

    expect(acknowledged.length).toBeGreaterThan(900)
    for (const entryId of acknowledged) expect(await catalog.get('entryids', utf8(entryId))).not.toBeNull()
    expect(published.length).toBeGreaterThan(2)
    for (const { root, size } of published) {
      expect(toHex(await rootOfLeaves(storedLeaves(catalog, 0, size), crypto))).toBe(toHex(root))
    }
  })
})
