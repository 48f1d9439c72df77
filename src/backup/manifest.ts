/** What a backup consists of; written last, so that without it there is none (docs/formats/backup.md). */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { equalBytes, fromHex, fromUtf8, toHex, utf8 } from '../core/bytes.ts'
import { canonicalJson } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { parseIsoTime } from '../core/time.ts'
import { hmac } from '../crypto/hmac.ts'
import type { Depot } from '../store/depot.ts'
import type { BackupKey } from './backup-key.ts'

export const backupFormat = 'holdfast/backup/v1'

const id = z.string().regex(/^[0-9a-hjkmnp-tv-z]{26}$/)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const length = z.int().min(0)

const schema = z.strictObject({
  format: z.literal(backupFormat),
  region: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/),
  country: z.string().regex(/^[A-Z]{2}$/),
  backup: id,
  taken: z.string().refine(text => parseIsoTime(text) !== null),
  keyId: z.string().regex(/^[0-9a-f]{16}$/),
  tree: z.strictObject({ size: length, root: sha256 }),
  /** The last one that was signed at the cut, a signed note; `null` before the log's first. */
  checkpoint: z.string().nullable(),
  vkey: z.string(),
  files: z.array(
    z.strictObject({
      path: z
        .string()
        .regex(
          /^(?:catalog\/[0-9a-hjkmnp-tv-z]{26}\.sealed|region\/[0-9a-hjkmnp-tv-z]{26}\.sealed|blobs\/[0-9a-f]{2}\/[0-9a-hjkmnp-tv-z]{26}|segments\/[0-9a-hjkmnp-tv-z]{26}-\d{8}\.seg\/[1-9]\d{0,14})$/,
        ),
      bytes: length,
      sha256,
    }),
  ),
})

export type Manifest = z.infer<typeof schema>
export type BackupFile = Manifest['files'][number]

export const manifestPath = (backup: string): string => `manifest-${backup}.json`

/** The backup's id, if the file is a manifest by its name. */
function backupOf(path: string): string | null {
  return /^manifest-([0-9a-hjkmnp-tv-z]{26})\.json$/.exec(path)?.[1] ?? null
}

/** Three lines: the manifest, its HMAC, and the SHA-256 of both, which whoever has no key can check. */
export function printManifest(manifest: Manifest, key: BackupKey): Uint8Array {
  const signed = `${canonicalJson(manifest)}\nhmac-sha256 ${macOf(canonicalJson(manifest), key)}\n`
  return utf8(`${signed}sha256 ${digestOf(signed)}\n`)
}

/**
 * `key`: left out, only accidents are found and no forgery. Rejects with `store-damaged` what was changed, with
 * `bad-input` what another key has made.
 */
function parseManifest(bytes: Uint8Array, path: string, key: BackupKey | null): Manifest {
  const bad = (why: string): HoldfastError => new HoldfastError('store-damaged', `${path}: ${why}`)
  const match = /^(.+)\nhmac-sha256 ([0-9a-f]{64})\nsha256 ([0-9a-f]{64})\n$/.exec(text(bytes) ?? '')
  if (match === null) throw bad('it is no manifest of a backup')
  const [, body = '', mac = '', digest = ''] = match
  if (digestOf(`${body}\nhmac-sha256 ${mac}\n`) !== digest) throw bad('it was changed: its digest is another')
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {
    throw bad('it is no JSON')
  }
  const format = (value as { format?: unknown } | null)?.format
  if (format !== backupFormat)
    throw new HoldfastError(
      'format-unknown',
      `${path} has format ${String(format)}; this version reads ${backupFormat}`,
    )
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw bad(z.prettifyError(parsed.error))
  const manifest = parsed.data
  if (path !== manifestPath(manifest.backup)) throw bad(`it is the manifest of backup ${manifest.backup}`)
  if (key === null) return manifest
  if (manifest.keyId !== key.id)
    throw new HoldfastError(
      'bad-input',
      `${path} was made with backup key ${manifest.keyId}, and the one at hand is ${key.id}`,
    )
  if (!equalBytes(fromHex(mac)!, fromHex(macOf(body, key))!))
    throw bad('it is not authentic: whoever made it does not have the backup key')
  return manifest
}

/** Newest first. */
export async function listBackups(depot: Depot): Promise<string[]> {
  const found: string[] = []
  for await (const { path } of depot.list('manifest-')) {
    const backup = backupOf(path)
    if (backup !== null) found.push(backup)
  }
  return found.sort().reverse()
}

export async function readManifest(depot: Depot, backup: string, key: BackupKey | null): Promise<Manifest> {
  const path = manifestPath(backup)
  const bytes = await depot.get(path)
  if (bytes === null) throw new HoldfastError('not-found', `there is no backup ${backup} in ${depot.name}`)
  return parseManifest(bytes, path, key)
}

function macOf(body: string, key: BackupKey): string {
  return toHex(hmac('sha256', key.manifests, utf8(body)))
}

function digestOf(signed: string): string {
  return createHash('sha256').update(signed).digest('hex')
}

function text(bytes: Uint8Array): string | null {
  try {
    return fromUtf8(bytes)
  } catch {
    return null
  }
}
