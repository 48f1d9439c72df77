import type { BucketName, InstructionId, TenantId } from '../core/ids.ts'
import type { Deletion } from '../store/objects.ts'
import { isMarker } from '../store/rows.ts'
import type { By, EntryDraft } from './entry-types.ts'

/** What is entered of a deletion, whoever ordered it. */
export function deletionEntry(
  bucket: { readonly name: BucketName; readonly tenant: TenantId },
  key: string,
  deletion: Exclude<Deletion, { did: 'nothing' }>,
  by: By,
  instruction: InstructionId | null = null,
): EntryDraft {
  const { tenant } = bucket
  const of = { bucket: bucket.name, key, by }
  if (deletion.did === 'marked') {
    const { marker, replaced } = deletion
    const body = { ...of, versionId: marker.versionId, replaced: replaced?.originId ?? null }
    return { tenant, type: 'object.marked', body }
  }
  const { version } = deletion
  const { versionId } = version
  if (isMarker(version)) return { tenant, type: 'object.unmarked', body: { ...of, versionId } }
  const { originId } = version
  return { tenant, type: 'object.deleted', body: { ...of, versionId, originId, instruction } }
}
