/**
 * The list that an instruction can be bound to: what a dry run showed. It is cut into pages as a transfer is into
 * batches; a page's digest is over its rows, the list's over the digests of its pages, so that a batch shows that it
 * belongs to the list with nothing but the digests of the others.
 */
import { createHash } from 'node:crypto'
import { canonicalJson } from '../core/canonical-json.ts'
import { batchLimits, type TransferItem } from './protocol.ts'

export type ListedItem = Pick<TransferItem, 'key' | 'originId' | 'ciphertextBytes' | 'ciphertextSha256'>

export function pageDigest(items: readonly ListedItem[]): string {
  const rows = items.map(
    ({ key, originId, ciphertextBytes, ciphertextSha256 }) =>
      [key, originId, ciphertextBytes, ciphertextSha256] as const,
  )
  return createHash('sha256').update(canonicalJson(rows)).digest('hex')
}

/** Of an empty scope it is the digest of nothing. */
export function listDigest(pages: readonly string[]): string {
  const hash = createHash('sha256')
  for (const page of pages) hash.update(page, 'hex')
  return hash.digest('hex')
}

/** Cuts what comes in order into pages. The same rows give the same pages, whoever cuts. */
export async function* pagesOf<Item extends ListedItem>(
  items: AsyncIterable<Item>,
): AsyncGenerator<Item[], void> {
  let page: Item[] = []
  let bytes = 0
  let keyBytes = 0
  for await (const item of items) {
    const ofKey = Buffer.byteLength(item.key)
    // A page takes at least one object, however large.
    const isFull =
      page.length >= batchLimits.objects ||
      bytes + item.ciphertextBytes > batchLimits.bytes ||
      keyBytes + ofKey > batchLimits.keyBytes
    if (isFull && page.length > 0) {
      yield page
      page = []
      bytes = 0
      keyBytes = 0
    }
    page.push(item)
    bytes += item.ciphertextBytes
    keyBytes += ofKey
  }
  if (page.length > 0) yield page
}
