/** What a monitor remembers: `state.json` in its folder (`docs/monitor.md`, "State"). */
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { concat, fromBase64, toBase64, u16be, utf8 } from '../../core/bytes.ts'
import { HoldfastError } from '../../core/errors.ts'
import { nodeVerifyCrypto } from '../../crypto/node-verify-crypto.ts'
import { TileBuilder } from '../../ledger/tile-builder.ts'
import { writeFileDurable } from '../../store/durable-file.ts'

/** How far the log was read: enough to go on without reading anything again. */
const positionSchema = z.strictObject({
  size: z.int().min(0),
  /** The leaves since the last full bundle, as a bundle; base64. */
  leaves: z.string(),
  /** The hashes in each level's unfinished tile, from level 1; base64. */
  upper: z.array(z.string()),
  /** The largest time of a leaf that was not ahead of the clock. */
  leafTimeUnixMs: z.int(),
  /** Numbers of the tenant that were seen: the next one, and those before it that were not. `null`: no chain key. */
  chain: z.strictObject({ next: z.int().min(0), missing: z.array(z.int()) }).nullable(),
})
export type Position = z.infer<typeof positionSchema>

const seenSchema = z.strictObject({
  size: z.int().min(0),
  root: z.string(),
  note: z.string(),
  /** Entries of the tenant in it. */
  count: z.int().nullable(),
})
export type SeenTree = z.infer<typeof seenSchema>

const schema = z.strictObject({
  format: z.literal('holdfast/monitor/v1'),
  vkey: z.string(),
  rotations: z.array(z.string()),
  /** `tenant/region` whose labels are followed. */
  chainOf: z.string().nullable(),
  /** Of the newest tree that was verified. */
  accepted: positionSchema,
  /** On the way to a newer one; no tree of that size is known to be signed. */
  walk: positionSchema.nullable(),
  /** The newest checkpoints that were verified, newest first, with the cosignatures they came with. */
  seen: z.array(seenSchema),
  /** When the newest checkpoint came or changed, and whether one ever did. */
  changedAtUnixMs: z.int(),
  hasChanged: z.boolean(),
  unreachableSinceUnixMs: z.int().nullable(),
  unwitnessedSinceUnixMs: z.int().nullable(),
  /** The latest time at which witnesses had cosigned a tree that was verified. */
  witnessedUnixMs: z.int(),
  /** By witness. */
  cosigned: z.record(z.string(), z.strictObject({ size: z.int(), timeUnixS: z.int() })),
  /** Checkpoints from elsewhere over trees that the log itself has not shown yet. */
  ahead: z.array(z.strictObject({ note: z.string(), from: z.string(), sinceUnixMs: z.int() })),
})
export type MonitorState = z.infer<typeof schema>

export const maxSeen = 64

export const startPosition: Position = { size: 0, leaves: '', upper: [], leafTimeUnixMs: 0, chain: null }

export function newState(vkey: string, nowUnixMs: number): MonitorState {
  return {
    format: 'holdfast/monitor/v1',
    vkey,
    rotations: [],
    chainOf: null,
    accepted: startPosition,
    walk: null,
    seen: [],
    changedAtUnixMs: nowUnixMs,
    hasChanged: false,
    unreachableSinceUnixMs: null,
    unwitnessedSinceUnixMs: null,
    witnessedUnixMs: 0,
    cosigned: {},
    ahead: [],
  }
}

/** `null` when there is none yet; `store-damaged` for one that cannot be read: starting over would forget a fork. */
export function loadState(path: string): MonitorState | null {
  if (!existsSync(path)) return null
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    throw new HoldfastError(
      'store-damaged',
      `${path} is damaged; what was seen cannot be compared`,
      {},
      error,
    )
  }
}

export function saveState(path: string, state: MonitorState): Promise<void> {
  return writeFileDurable(path, utf8(`${JSON.stringify(state)}\n`), 0o600)
}

/** `store-damaged` when its parts are not of one tree. */
export function builderAt({ size, leaves, upper }: Position): TileBuilder {
  const bundle = fromBase64(leaves)
  const entries = bundle === null ? null : parseBundle(bundle)
  const hashes = upper.map(fromBase64)
  if (entries === null || hashes.some(each => each === null))
    throw new HoldfastError('store-damaged', 'the state of the monitor is damaged')
  const builder = new TileBuilder(nodeVerifyCrypto, { size, leaves: entries, upper: hashes as Uint8Array[] })
  if (builder.size !== size)
    throw new HoldfastError('store-damaged', 'the state of the monitor is not of one tree')
  return builder
}

export function positionOf(builder: TileBuilder, rest: Pick<Position, 'leafTimeUnixMs' | 'chain'>): Position {
  const { size, leaves, upper } = builder.edge()
  const bundle = concat(...leaves.flatMap(leaf => [u16be(leaf.length), leaf]))
  return { size, leaves: toBase64(bundle), upper: upper.map(toBase64), ...rest }
}

/** The entries of a bundle (C2SP `tlog-tiles`), or `null` when it is none. They are parts of `bytes`. */
export function parseBundle(bytes: Uint8Array): Uint8Array[] | null {
  const entries: Uint8Array[] = []
  for (let at = 0; at < bytes.length; ) {
    if (at + 2 > bytes.length) return null
    const end = at + 2 + bytes[at]! * 256 + bytes[at + 1]!
    if (end > bytes.length) return null
    entries.push(bytes.subarray(at + 2, end))
    at = end
  }
  return entries
}

/** The tree that was verified. */
export function acceptedTree({ accepted }: MonitorState): {
  readonly size: number
  readonly root: Uint8Array
} {
  return { size: accepted.size, root: builderAt(accepted).root() }
}
