/** Where the bytes of a version are. */
import { fromBase64, toBase64, utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { Catalog, Put } from './catalog.ts'
import type { Place } from './places.ts'
import { manifestRowKey, type ObjectContent, type ObjectRow } from './rows.ts'

export interface FoundContent {
  readonly manifest: Uint8Array
  readonly places: readonly Place[]
  readonly partChecksums: readonly string[] | null
}

/** Manifest and places of a version. `null` when it was replaced since its row was read. */
export async function contentOf(catalog: Catalog, row: ObjectRow): Promise<FoundContent | null> {
  let content = row.content
  if (content === null) {
    const bytes = await catalog.get('manifests', manifestRowKey(row.versionId))
    if (bytes === null) return null
    content = JSON.parse(Buffer.from(bytes).toString('utf8')) as ObjectContent
  }
  const manifest = fromBase64(content.manifest)
  if (manifest === null) throw new HoldfastError('store-damaged', 'the manifest of a version is not base64')
  return { manifest, places: content.places, partChecksums: content.partChecksums ?? null }
}

export function makeContent(
  manifest: Uint8Array,
  places: readonly Place[],
  partChecksums: readonly string[] | null,
): ObjectContent {
  return { manifest: toBase64(manifest), places, ...(partChecksums && { partChecksums }) }
}

/** The content of one part stays in the object's row; that of several becomes a row of its own. */
export function placeContent(row: ObjectRow, content: ObjectContent): { row: ObjectRow; puts: Put[] } {
  if (row.partCount === 1) return { row: { ...row, content }, puts: [] }
  const value = utf8(JSON.stringify(content))
  return {
    row: { ...row, content: null },
    puts: [{ table: 'manifests', key: manifestRowKey(row.versionId), value }],
  }
}
