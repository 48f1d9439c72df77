/**
 * Destination: the pages of the list that an instruction is bound to. The source gives their digests with the offer;
 * together they must hash to what the approvers signed. Then a batch is let in only as the page of its number: so an
 * object comes only if it is on the list, and as often as it is.
 */
import { concat, utf8 } from '../core/bytes.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import type { Catalog } from '../store/catalog.ts'
import { decodeRow, encodeRow } from '../store/rows.ts'
import { listDigest, pageDigest } from './list.ts'
import type { TransferItem } from './protocol.ts'
import { TransferRefused } from './refused.ts'

interface PagesRow {
  readonly v: 1
  readonly pages: readonly string[]
}

type Bound = Pick<TransferInstruction, 'id' | 'list'>

const pagesKey = ({ id }: Bound): Uint8Array => concat(utf8(id), utf8('/pages'))

export async function keepPages(
  catalog: Catalog,
  bound: Bound,
  pages: readonly string[] | null,
): Promise<void> {
  if (bound.list === null) return
  if (pages === null || listDigest(pages) !== bound.list)
    throw new TransferRefused('list-changed', 'The pages that were offered are not those of the list.')
  const key = pagesKey(bound)
  // Two lists of pages with one digest: that would be a collision.
  if ((await catalog.get('transfers', key)) !== null) return
  const row: PagesRow = { v: 1, pages }
  await catalog.commit({ puts: [{ table: 'transfers', key, value: encodeRow(row) }] })
}

export async function demandPage(
  catalog: Catalog,
  bound: Bound,
  batch: number,
  items: readonly TransferItem[],
): Promise<void> {
  if (bound.list === null) return
  const bytes = await catalog.get('transfers', pagesKey(bound))
  const pages = bytes === null ? [] : decodeRow<PagesRow>(bytes).pages
  if (pages[batch] !== pageDigest(items)) {
    throw new TransferRefused(
      'list-changed',
      `Batch ${batch} is not the page of that number of the list that was approved.`,
    )
  }
}
