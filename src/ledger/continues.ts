/** Would signing on from this catalog contradict a checkpoint that somebody has? */
import { equalBytes } from '../core/bytes.ts'
import { openCheckpoint } from '../verify/checkpoint.ts'
import { emptyRoot } from '../verify/merkle.ts'
import type { LogStores } from './recover.ts'
import { storedLeaves } from './stored-leaves.ts'
import { decodeTreeState, type TreeState, treeKey } from './tables.ts'
import { rootOfLeaves } from './tree-reader.ts'

export async function treeOf({ catalog, crypto }: Pick<LogStores, 'catalog' | 'crypto'>): Promise<TreeState> {
  const row = await catalog.get('meta', treeKey)
  return row === null ? { size: 0, root: emptyRoot(crypto) } : decodeTreeState(row)
}

/** What is wrong in words; `null` when the catalog's entries continue the tree of the checkpoint. */
export async function contradiction(
  note: string,
  stores: Pick<LogStores, 'catalog' | 'crypto' | 'log'>,
): Promise<string | null> {
  const checkpoint = openCheckpoint(note, stores.log, stores.crypto)
  if (typeof checkpoint === 'string') return `it is no checkpoint of this log: ${checkpoint}`
  const tree = await treeOf(stores)
  if (checkpoint.size > tree.size)
    return (
      `it is over ${checkpoint.size} entries and here are ${tree.size}: to sign on from here would be a second ` +
      'history over the entries in between'
    )
  const root =
    checkpoint.size === tree.size
      ? tree.root
      : await rootOfLeaves(storedLeaves(stores.catalog, 0, checkpoint.size), stores.crypto)
  return equalBytes(root, checkpoint.root)
    ? null
    : `its tree of ${checkpoint.size} entries is another one than here`
}
