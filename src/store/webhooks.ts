/** Where a tenant wants to be told of what happens to its objects, and what it has still to be told. */
import { fromUtf8, utf8 } from '../core/bytes.ts'
import type { BucketName, TenantId } from '../core/ids.ts'
import { type Catalog, next, type Put } from './catalog.ts'
import { decodeRow, encodeRow } from './rows.ts'
import { rowsOf } from './rows-of.ts'

export interface WebhookRow {
  readonly v: 1
  readonly name: string
  readonly url: string
  /** PEM of the one certificate that it must show; `null`: one that a public authority vouches for. */
  readonly certificate: string | null
  readonly createdUnixMs: number
  /** It is told of instructions that wait, too. Left out: of objects only. */
  readonly instructions?: true
}

/** A message that waits, in the order of commits. */
export interface EventRow {
  readonly v: 1
  readonly tenant: TenantId
  readonly webhook: string
  /** Empty: it is about an instruction, whose id stands in `key`. */
  readonly bucket: BucketName | ''
  readonly key: string
  readonly event: string
  readonly madeUnixMs: number
  /** What is sent, JSON. */
  readonly message: string
}

export const webhookRowKey = (tenant: TenantId, name: string): Uint8Array => utf8(`${tenant}/${name}`)

export async function findWebhook(
  catalog: Catalog,
  tenant: TenantId,
  name: string,
): Promise<WebhookRow | null> {
  const bytes = await catalog.get('webhooks', webhookRowKey(tenant, name))
  return bytes === null ? null : decodeRow<WebhookRow>(bytes)
}

export async function listWebhooks(catalog: Catalog, tenant: TenantId): Promise<WebhookRow[]> {
  const found: WebhookRow[] = []
  for await (const { key, value } of rowsOf(catalog, 'webhooks', { prefix: utf8(`${tenant}/`) }))
    if (fromUtf8(key).startsWith(tenant)) found.push(decodeRow<WebhookRow>(value))
  return found
}

export function eventPut(row: EventRow): Put {
  return { table: 'events', key: next, value: encodeRow(row) }
}
