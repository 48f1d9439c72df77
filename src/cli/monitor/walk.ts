/**
 * Reads a log's entries from where they were read before, and computes the tree from them alone. On the way every tile
 * is compared with what it must be, and every leaf is looked at.
 */
import { equalBytes } from '../../core/bytes.ts'
import { isoTime } from '../../core/time.ts'
import type { TileBuilder } from '../../ledger/tile-builder.ts'
import type { TileResource } from '../../ledger/tile-store.ts'
import { parseLeaf } from '../../verify/leaf.ts'
import { tilePath, tileWidth, tileWidthAt } from '../../verify/tile-path.ts'
import { type Finding, LogFault } from './finding.ts'
import { inOrder } from './in-order.ts'
import type { LabelChain } from './label-chain.ts'
import type { LogSource } from './log-source.ts'
import { parseBundle } from './monitor-state.ts'

export interface Walker {
  readonly builder: TileBuilder
  readonly chain: LabelChain | null
  /** The largest time of a leaf so far that was not ahead of the clock. */
  leafTimeUnixMs: number
}

export interface WalkDeps {
  readonly source: LogSource
  readonly found: (finding: Finding) => void
  /** A leaf may be so much out of the order of times. */
  readonly toleranceMs: number
  readonly nowUnixMs: number
  /** Leaves that were not in a tree that was witnessed then. */
  readonly notBeforeUnixMs: number
  /** Called now and then, between two bundles. */
  readonly progress?: () => Promise<void>
  /** Of the tree that the log shows, where it is larger: a copy has no partial bundles of sizes that it never showed. */
  readonly shownSize?: number
  /** Tiles need not be looked at again where only the entries are asked for. */
  readonly skipTiles?: boolean
}

const parallelReads = 8
const progressEvery = 1 << 19
/** After so many of one kind in one look the rest says nothing new. */
const maxTold = 50

/** Up to `target` leaves. Rejects with a `LogFault` where an entry cannot be had. */
export async function walk(walker: Walker, target: number, deps: WalkDeps): Promise<void> {
  const { builder } = walker
  const found = atMost(maxTold, deps.found)
  const from = builder.size
  let sinceProgress = 0
  const first = Math.floor(from / tileWidth)
  const bundles = numbers(first, Math.ceil(target / tileWidth))
  const known = builder.edge().leaves
  const readPair = async (index: number) => {
    const width = tileWidthAt(0, index, target)
    const shown = tileWidthAt(0, index, deps.shownSize ?? target)
    const entries = readEither(deps.source, 'entries', index, shown)
    const tile = deps.skipTiles ? null : readEither(deps.source, 0, index, width)
    tile?.catch(() => {})
    return { width, entries: await entries, tile: await tile }
  }
  for await (const [index, { width, entries: bundle, tile }] of inOrder(bundles, parallelReads, readPair)) {
    const path = tilePath('entries', index, width)
    if (bundle === null)
      throw new LogFault({
        kind: 'resource-missing',
        what: `${path} is not there, under a signed tree of ${target}`,
      })
    const entries = parseBundle(bundle)
    if (entries === null || entries.length < width)
      throw new LogFault({ kind: 'entry-changed', what: `${path} is no bundle of ${width} entries` })
    for (const [at, entry] of entries.slice(0, width).entries()) {
      const leafIndex = index * tileWidth + at
      if (leafIndex >= from) {
        lookAtLeaf(entry, leafIndex, walker, { ...deps, found })
        builder.append(entry)
      } else if (!equalBytes(entry, known[at]!)) {
        found({
          kind: 'entry-changed',
          what: `entry ${leafIndex} is not what it was when it was read before`,
        })
      }
    }
    const due = builder.takeFull()
    if (index === Math.ceil(target / tileWidth) - 1) due.push(...builder.takePartials())
    builder.takeOutgrown()
    if (!deps.skipTiles) for (const resource of due) await compareTile(resource, tile, { ...deps, found })
    sinceProgress += width
    if (sinceProgress < progressEvery) continue
    sinceProgress = 0
    await deps.progress?.()
  }
}

function lookAtLeaf(entry: Uint8Array, index: number, walker: Walker, deps: WalkDeps): void {
  const { found, nowUnixMs, notBeforeUnixMs, toleranceMs } = deps
  const leaf = parseLeaf(entry)
  if (leaf === null) {
    found({ kind: 'leaf-form', what: `entry ${index} is not a leaf of 73 bytes and version 1` })
    return
  }
  const { timeUnixMs, label } = leaf
  const fault = walker.chain?.see(label, index) ?? null
  if (fault !== null) found(fault)
  if (timeUnixMs > nowUnixMs + toleranceMs) {
    found({ kind: 'time-ahead', what: `entry ${index} says ${timeText(timeUnixMs)}, which is in the future` })
    return
  }
  if (timeUnixMs < notBeforeUnixMs - toleranceMs)
    found({
      kind: 'time-turned-back',
      what: `entry ${index} says ${timeText(timeUnixMs)}, and was not in a tree that was witnessed at ${timeText(notBeforeUnixMs)}`,
    })
  else if (timeUnixMs < walker.leafTimeUnixMs - toleranceMs)
    found({
      kind: 'time-turned-back',
      what: `entry ${index} says ${timeText(timeUnixMs)}, behind one of ${timeText(walker.leafTimeUnixMs)}`,
    })
  walker.leafTimeUnixMs = Math.max(walker.leafTimeUnixMs, timeUnixMs)
}

/** `bottom`: the tile of level 0 that was read together with the bundle. */
async function compareTile(
  { path, bytes }: TileResource,
  bottom: Uint8Array | null,
  { source, found }: Pick<WalkDeps, 'source' | 'found'>,
): Promise<void> {
  const match = /^tile\/(\d+)\/([x\d/]+)(?:\.p\/(\d+))?$/.exec(path)
  // The bundles are what the tiles are computed from.
  if (match === null) return
  const there =
    match[1] === '0'
      ? bottom
      : ((await source.read(path)) ?? (await source.read(path.replace(/\.p\/\d+$/, ''))))
  if (there === null) found({ kind: 'resource-missing', what: `${path} is not there` })
  else if (!equalBytes(there.subarray(0, bytes.length), bytes) || isLonger(there, bytes, match[3]))
    found({ kind: 'tile-changed', what: `${path} is not that of the entries` })
}

/** A full tile must end where it ends; one that stands in for a partial one has more hashes. */
function isLonger(there: Uint8Array, bytes: Uint8Array, partial: string | undefined): boolean {
  return there.length !== bytes.length && (partial === undefined || there.length !== tileWidth * 32)
}

/** Where the partial resource was dropped, the full one begins with the same. */
async function readEither(
  source: LogSource,
  level: number | 'entries',
  index: number,
  width: number,
): Promise<Uint8Array | null> {
  const bytes = await source.read(tilePath(level, index, width))
  return bytes !== null || width === tileWidth ? bytes : source.read(tilePath(level, index, tileWidth))
}

function atMost(most: number, found: (finding: Finding) => void): (finding: Finding) => void {
  const told = new Map<string, number>()
  return finding => {
    const count = (told.get(finding.kind) ?? 0) + 1
    told.set(finding.kind, count)
    if (count <= most) found(finding)
  }
}

function timeText(unixMs: number): string {
  return unixMs <= 8.64e15 ? isoTime(unixMs) : `millisecond ${unixMs}`
}

function* numbers(from: number, to: number): Generator<number, void> {
  for (let number = from; number < to; number++) yield number
}
