/**
 * The key that a region's log signs with, and those that did before it. Two files beside the catalog: `log.key`, the
 * private key in use, and, once a key was replaced, `log.key.rotations` (`docs/formats/ledger.md`, "Keys of the log").
 *
 * Crash points of a rotation: the new key is written as `log.key.next`, then `log.key.rotations` with the new rotation
 * replaces the old file (this is when it takes effect), then `log.key.next` becomes `log.key`. A start that finds the
 * rotation and not yet the key in its place puts it there.
 */
import { existsSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { equalBytes, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { generatePrivateKey, type PrivateKey, parseEd25519Key } from '../crypto/signatures.ts'
import { syncFolder, writeFileDurable } from '../store/durable-file.ts'
import { followRotations, type LogKeys, rotationText } from '../verify/log-keys.ts'
import { type NoteSigner, printNote, signatureLine } from '../verify/note.ts'
import { parseVerifierKey, printVerifierKey } from '../verify/verifier-key.ts'
import type { VerifyCrypto } from '../verify/verify-crypto.ts'

/** What a region signs its log with, and what others need to check it. */
export interface LogKey extends NoteSigner {
  /** C2SP `signed-note` verifier key of the key in use. */
  readonly vkey: string
  readonly log: LogKeys
  readonly history: LogKeyHistory
}

/** Public, and enough for who trusts the first key to trust the one in use. */
export interface LogKeyHistory {
  /** Of the first key. */
  readonly vkey: string
  /** Signed notes, oldest first. */
  readonly rotations: readonly string[]
}

/** As a log shows it under `keys`. */
export function printKeyHistory(history: LogKeyHistory): string {
  return JSON.stringify({ format: 'holdfast/log-keys/v1', ...history })
}

const historySchema = z.strictObject({
  format: z.literal('holdfast/log-keys/v1'),
  vkey: z.string(),
  rotations: z.array(z.string()),
})

/** `origin` is `<host>/log/<region>`, and the key's name. `not-found` when there is no such file. */
export async function loadLogKey(path: string, origin: string, crypto: VerifyCrypto): Promise<LogKey> {
  if (!/^[^\s+]+$/u.test(origin))
    throw new HoldfastError('bad-input', `an origin must not contain spaces or +`)
  const found = await readKey(path)
  const history = (await readHistory(rotationsPath(path))) ?? {
    vkey: printVerifierKey(origin, found.publicKey, crypto),
    rotations: [],
  }
  const first = parseVerifierKey(history.vkey, crypto)
  const log =
    first === null ? 'the first key is no verifier key' : followRotations(first, history.rotations, crypto)
  if (typeof log === 'string') throw new HoldfastError('store-damaged', `${rotationsPath(path)}: ${log}`)
  const key = await keyInUse(path, found, log)
  return {
    name: origin,
    publicKey: key.publicKey,
    sign: message => key.sign(message),
    vkey: printVerifierKey(origin, key.publicKey, crypto),
    log,
    history,
  }
}

/**
 * For a region's first start. A key made later by mistake, because the file was lost, does no harm: the ledger stops
 * when the published checkpoint is not by it.
 */
export async function loadOrCreateLogKey(
  path: string,
  origin: string,
  crypto: VerifyCrypto,
): Promise<LogKey> {
  try {
    return await loadLogKey(path, origin, crypto)
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== 'not-found') throw error
  }
  await writeFileDurable(path, utf8(generatePrivateKey('ed25519').toPem()), 0o600)
  return loadLogKey(path, origin, crypto)
}

/** Replaces the key in use from a tree of `size` on, whose root is `root`. Nothing may sign with it meanwhile. */
export async function rotateLogKey(
  path: string,
  before: LogKey,
  { size, root }: { readonly size: number; readonly root: Uint8Array },
  crypto: VerifyCrypto,
): Promise<LogKey> {
  const key = generatePrivateKey('ed25519')
  const vkey = printVerifierKey(before.name, key.publicKey, crypto)
  const text = rotationText(before.name, vkey, size, root)
  const note = printNote(text, before, crypto) + signatureLine(text, signerOf(before.name, key), crypto)
  const rotations = [...before.history.rotations, note]
  await writeFileDurable(nextPath(path), utf8(key.toPem()), 0o600)
  const history = { format: 'holdfast/log-keys/v1', vkey: before.history.vkey, rotations }
  await writeFileDurable(rotationsPath(path), utf8(`${JSON.stringify(history, null, 2)}\n`))
  return loadLogKey(path, before.name, crypto)
}

function rotationsPath(path: string): string {
  return `${path}.rotations`
}

function nextPath(path: string): string {
  return `${path}.next`
}

async function keyInUse(path: string, found: PrivateKey, log: LogKeys): Promise<PrivateKey> {
  if (equalBytes(found.publicKey, log.current.publicKey)) return found
  const next = existsSync(nextPath(path)) ? await readKey(nextPath(path)) : null
  if (next === null || !equalBytes(next.publicKey, log.current.publicKey))
    throw new HoldfastError('store-damaged', `${path} is not the key that the log is signed with now`)
  await rename(nextPath(path), path)
  await syncFolder(dirname(path))
  return next
}

async function readKey(path: string): Promise<PrivateKey> {
  const pem = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new HoldfastError('not-found', `there is no log key at ${path}`, {}, error)
  })
  return parseEd25519Key(pem, 'a log key')
}

async function readHistory(path: string): Promise<LogKeyHistory | null> {
  if (!existsSync(path)) return null
  const parsed = historySchema.safeParse(JSON.parse(await readFile(path, 'utf8')))
  if (!parsed.success) throw new HoldfastError('store-damaged', `${path} is not a list of rotations`)
  return parsed.data
}

function signerOf(name: string, key: PrivateKey): NoteSigner {
  return { name, publicKey: key.publicKey, sign: message => key.sign(message) }
}
