/**
 * Where a tenant's buckets are that are not here, as far as its own transfers have named them: a row for each that a
 * transfer which both ends took went to or came from, written with the state that says so. Another process is asked
 * nothing, and a tenant learns nothing but what it has ordered itself.
 */
import { utf8 } from '../core/bytes.ts'
import type { BucketName, RegionId, TenantId } from '../core/ids.ts'
import type { Catalog, Put } from '../store/catalog.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import type { TransferInstruction } from './kinds/transfer.ts'

interface ElsewhereRow {
  readonly v: 1
  readonly region: RegionId
}

/** Before the rows of instructions, whose ids are hexadecimal. */
const keyOf = (tenant: TenantId, bucket: string): Uint8Array => utf8(`\u0001elsewhere/${tenant}/${bucket}`)

/** The other end's bucket. What a later transfer says of the name takes the place of what was said before. */
export function putElsewhere(here: RegionId, { tenant, from, to }: TransferInstruction): Put {
  const there = from.region === here ? to : from
  const row: ElsewhereRow = { v: 1, region: there.region }
  return { table: 'instructions', key: keyOf(tenant, there.bucket), value: encodeRow(row) }
}

export async function findElsewhere(
  catalog: Pick<Catalog, 'get'>,
  tenant: TenantId,
  bucket: BucketName,
): Promise<RegionId | null> {
  const bytes = await catalog.get('instructions', keyOf(tenant, bucket))
  return bytes === null ? null : decodeRow<ElsewhereRow>(bytes).region
}
