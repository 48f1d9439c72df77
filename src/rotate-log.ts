/**
 * A log gets a new key. Asked for by `log rotate`, done at the next start, before anything signs: a sequencer that went
 * on with the key before would sign trees that nobody accepts.
 *
 * Crash points: the request stays until all is done. The key is replaced in one step (`ledger/log-keys.ts`); what tells
 * the tenants is one batch, with a row that says so. A start that finds the key replaced and the row missing makes the
 * batch; one that finds both removes the request.
 */
import { existsSync, readFileSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { fromUtf8, utf8 } from './core/bytes.ts'
import { HoldfastError } from './core/errors.ts'
import type { RandomBytes, RegionId, TenantId } from './core/ids.ts'
import type { Log } from './core/log.ts'
import type { Clock } from './core/time.ts'
import { nodeVerifyCrypto } from './crypto/node-verify-crypto.ts'
import { createDraftBox } from './ledger/drafts.ts'
import { type LogKey, loadLogKey, rotateLogKey } from './ledger/log-keys.ts'
import { signedKey } from './ledger/tables.ts'
import type { Catalog, Put } from './store/catalog.ts'
import { syncFolder, writeFileDurable } from './store/durable-file.ts'
import { openLmdbCatalog } from './store/lmdb-catalog.ts'
import { rowsOf } from './store/rows-of.ts'
import { openCheckpoint } from './verify/checkpoint.ts'
import { emptyRoot } from './verify/merkle.ts'

const requestSchema = z.strictObject({ v: z.literal(1), replaces: z.string() })

function requestPath(keyPath: string): string {
  return join(dirname(keyPath), 'log.rotate')
}

/** For `log rotate`. Returns the vkey that will be replaced. */
export async function requestRotation(keyPath: string, origin: string): Promise<string> {
  const { vkey } = await loadLogKey(keyPath, origin, nodeVerifyCrypto)
  await writeFileDurable(requestPath(keyPath), utf8(`${JSON.stringify({ v: 1, replaces: vkey })}\n`))
  return vkey
}

export interface RotationDeps {
  readonly id: RegionId
  readonly keyPath: string
  readonly catalogPath: string
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

/** At a region's start: what was asked for, if it was. Returns the key to sign with. */
export async function rotateIfAsked(logKey: LogKey, deps: RotationDeps): Promise<LogKey> {
  const { id, keyPath, catalogPath, log } = deps
  const path = requestPath(keyPath)
  if (!existsSync(path)) return logKey
  const request = requestSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  if (!request.success) throw new HoldfastError('store-damaged', `${path} is not a request to replace a key`)
  await using catalog = await openLmdbCatalog(catalogPath)
  let key = logKey
  // A rotation before this one whose crash came before its telling.
  if (logKey.history.rotations.length > 0) await tellTenants(catalog, logKey, deps)
  if (request.data.replaces === logKey.vkey) {
    const tree = await signedTree(catalog, logKey)
    key = await rotateLogKey(keyPath, logKey, tree, nodeVerifyCrypto)
    log('warn', 'log-key-rotated', { region: id, before: logKey.vkey, vkey: key.vkey, size: tree.size })
    await tellTenants(catalog, key, deps)
  }
  await unlink(path)
  await syncFolder(dirname(path))
  return key
}

/** Of the newest rotation, once. */
async function tellTenants(
  catalog: Catalog,
  { history, log, vkey }: LogKey,
  { id, clock, randomBytes }: RotationDeps,
): Promise<void> {
  const doneKey = utf8(`rotated/${vkey}`)
  if ((await catalog.get('meta', doneKey)) !== null) return
  const size = log.spans.at(-1)!.from
  const drafts = createDraftBox(id, clock, randomBytes)
  const puts: Put[] = [{ table: 'meta', key: doneKey, value: utf8(String(size)) }]
  for await (const row of rowsOf(catalog, 'tenants')) {
    const body = { vkey, size, rotation: history.rotations.at(-1)! }
    puts.push(drafts.draft({ tenant: fromUtf8(row.key) as TenantId, type: 'log.rotated', body }).put)
  }
  await catalog.commit({ checks: [{ table: 'meta', key: doneKey, expected: null }], puts })
}

/** The largest tree that the key before has signed: the new one takes over there. */
async function signedTree(catalog: Catalog, { log }: LogKey): Promise<{ size: number; root: Uint8Array }> {
  const row = await catalog.get('meta', signedKey)
  if (row === null) return { size: 0, root: emptyRoot(nodeVerifyCrypto) }
  const checkpoint = openCheckpoint(fromUtf8(row), log, nodeVerifyCrypto)
  if (typeof checkpoint === 'string') throw new HoldfastError('store-damaged', `signed: ${checkpoint}`)
  return checkpoint
}
