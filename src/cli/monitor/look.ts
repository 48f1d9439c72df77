/**
 * One look at a log. What was verified stays the measure: what contradicts it is told and never taken over, so that a
 * fork goes on to be seen. State in, state out; crash points are those of saving it: a crash before loses what was
 * read since, and it is read again.
 */
import { equalBytes, toBase64 } from '../../core/bytes.ts'
import { hasCode, messageOf } from '../../core/errors.ts'
import { isoTime } from '../../core/time.ts'
import { nodeVerifyCrypto as crypto } from '../../crypto/node-verify-crypto.ts'
import { type OpenedCheckpoint, openCheckpoint } from '../../verify/checkpoint.ts'
import type { StatementFacts } from '../../verify/statement.ts'
import { tileWidth } from '../../verify/tile-path.ts'
import type { TlogPolicy } from '../../verify/tlog-policy.ts'
import { statementFault } from './check-statement.ts'
import { compareTrees, printContradiction, type Tree } from './compare-trees.ts'
import { type Evidence, type Finding, LogFault } from './finding.ts'
import { LabelChain } from './label-chain.ts'
import { logOf, rotatedAt, tellKeys } from './log-key-follower.ts'
import type { LogSource } from './log-source.ts'
import { lookAtPolicy } from './look-at-policy.ts'
import {
  acceptedTree,
  builderAt,
  type MonitorState,
  maxSeen,
  type Position,
  positionOf,
  type SeenTree,
  startPosition,
} from './monitor-state.ts'
import { newestNote, noteEvidence, openNote, printedNote, safeText } from './notes.ts'
import { sampleFault } from './sample.ts'
import { type Walker, walk } from './walk.ts'

export interface LookDeps {
  readonly source: LogSource
  /** Other places that show a checkpoint of the log: mirrors, witnesses, files. */
  readonly peers: readonly { readonly name: string; readonly read: () => Promise<string> }[]
  /** Of a tenant that is followed; `null`: nobody's labels are known. */
  readonly chain: { readonly of: string; readonly key: Uint8Array } | null
  readonly policy: TlogPolicy | null
  readonly found: (finding: Finding) => void
  readonly save: (state: MonitorState) => Promise<void>
  readonly nowUnixMs: number
  readonly staleMs: number
  readonly toleranceMs: number
  /** The tenant's statements, verified, by the names of their files. */
  readonly statements: readonly { readonly name: string; readonly facts: StatementFacts }[]
  /** From look to look, since it takes long to make again: the labels of a position, and what statements were held to. */
  readonly held: { chain: LabelChain | null; size: number; readonly counted: Map<string, number> }
  /** Old bundles that are read again in each look. */
  readonly samples: number
  readonly random: () => number
}

export async function look(before: MonitorState, deps: LookDeps): Promise<MonitorState> {
  let state = withChain(before, deps)
  // What was read on the way is kept also where the rest cannot be had: a long log over a bad line has no other end.
  const keeping: LookDeps = {
    ...deps,
    save: next => {
      state = next
      return deps.save(next)
    },
  }
  try {
    const note = await deps.source.read('checkpoint')
    if (note === null) throw new Error(`${deps.source.name} has no checkpoint`)
    state = await lookAtKeys(state, deps, note)
    const looked = await lookAtCheckpoint(state, keeping, note)
    // A log that does not show the tree that was verified cannot be asked for parts of it.
    const showsIt = looked !== null
    state = await lookAtPeers(looked ?? state, deps, showsIt)
    if (showsIt) {
      await lookAtStatements(state, deps)
      await lookAgain(state, deps)
    }
    state = reached(state)
  } catch (error) {
    // What was seen is damaged here; that is nothing that the log could help with.
    if (hasCode(error, 'store-damaged')) throw error
    if (error instanceof LogFault) {
      deps.found(error.finding)
      state = reached(state)
    } else state = unreachable(state, deps, messageOf(error))
  }
  state = await lookAtPolicy(state, deps)
  tellStale(state, deps)
  await deps.save(state)
  return state
}

/** A chain that was not followed before is in entries that were read without it, so they are read again. */
function withChain(state: MonitorState, { chain }: LookDeps): MonitorState {
  const chainOf = chain?.of ?? null
  if (state.chainOf === chainOf) return state
  if (chainOf === null) {
    const accepted = { ...state.accepted, chain: null }
    return { ...state, chainOf, accepted, walk: null, seen: state.seen.map(uncounted) }
  }
  return {
    ...state,
    chainOf,
    accepted: { ...state.accepted, chain: null },
    walk: startPosition,
    seen: state.seen.map(uncounted),
  }
}

function uncounted(seen: SeenTree): SeenTree {
  return { ...seen, count: null }
}

/** Newer keys, when there are some. Only what continues the known keys is taken over. */
async function lookAtKeys(state: MonitorState, deps: LookDeps, note: Uint8Array): Promise<MonitorState> {
  if (typeof openNote(note, logOf(state.vkey, state.rotations)) !== 'string' && state.seen.length > 0)
    return state
  const told = await tellKeys(deps.source, state)
  if (told === null) return state
  if (typeof told === 'string') {
    deps.found({ kind: 'keys-refused', what: told })
    return state
  }
  return { ...state, rotations: [...told.rotations] }
}

/** `null`, and told, when what it shows is not what was seen, or does not lead on from there. */
async function lookAtCheckpoint(
  state: MonitorState,
  deps: LookDeps,
  note: Uint8Array,
): Promise<MonitorState | null> {
  const { found } = deps
  const log = logOf(state.vkey, state.rotations)
  const checkpoint = openNote(note, log)
  if (typeof checkpoint === 'string') {
    found({
      kind: 'checkpoint-refused',
      what: checkpoint,
      evidence: [{ name: 'refused', text: safeText(note) }],
    })
    return null
  }
  const accepted = acceptedTree(state)
  if (checkpoint.size < accepted.size) {
    await tellRollback(checkpoint, state, deps)
    return null
  }
  // The first look at size 0 compares with the empty tree.
  if (checkpoint.size === accepted.size && !equalBytes(checkpoint.root, accepted.root)) {
    tellFork(checkpoint, state, deps, 'it shows two trees of one size')
    return null
  }
  const isRead = checkpoint.size === accepted.size && (deps.chain === null || state.accepted.chain !== null)
  const position = isRead ? state.accepted : await read(state, deps, checkpoint, accepted)
  if (position === null) return null
  return accept(state, position, checkpoint, deps)
}

/** Where the entries lead to; `null`, and told, when that is not the tree that is signed. */
async function read(
  state: MonitorState,
  deps: LookDeps,
  checkpoint: OpenedCheckpoint,
  accepted: Tree,
): Promise<Position | null> {
  const { found, source } = deps
  const base = deps.chain === null || state.accepted.chain !== null ? state.accepted : startPosition
  const { walk: begun } = state
  const resumed = begun !== null && base.size < begun.size && begun.size <= checkpoint.size ? begun : null
  // What was begun may have been the entries of another tree.
  for (const start of resumed === null ? [base] : [resumed, base]) {
    const position = await readFrom(start, state, deps, checkpoint, accepted)
    if (position !== null) return position
  }
  const comparison = await compareTrees(accepted, checkpoint, source)
  if (comparison.state === 'contradicts') {
    const text = printContradiction(accepted, comparison)
    tellFork(checkpoint, state, deps, 'its tree does not continue the one before', [
      { name: 'fork-proof', text },
    ])
  } else {
    const what =
      comparison.state === 'continues'
        ? `the entries are not those of the tree of ${checkpoint.size} that is signed`
        : `neither entries nor tiles lead from the tree of ${accepted.size} to the signed one of ${checkpoint.size}`
    found({ kind: 'entry-changed', what, evidence: [noteEvidence(checkpoint), ...newestNote(state)] })
  }
  // It led nowhere that one could go on from.
  await deps.save({ ...state, walk: null })
  return null
}

async function readFrom(
  start: Position,
  state: MonitorState,
  deps: LookDeps,
  checkpoint: OpenedCheckpoint,
  accepted: Tree,
): Promise<Position | null> {
  const { held } = deps
  const walker = walkerAt(start, deps)
  await walk(walker, checkpoint.size, {
    ...deps,
    // What is read again, because a chain key came, is no news to the witnesses.
    notBeforeUnixMs: start.size >= accepted.size ? state.witnessedUnixMs : 0,
    progress: () => deps.save({ ...state, walk: at(walker) }),
  })
  if (!equalBytes(walker.builder.root(), checkpoint.root)) return null
  // Read again from the start: that it has the root that is signed does not say that it continues what was seen.
  const isAgain = start.size < accepted.size
  if (isAgain && (await compareTrees(accepted, checkpoint, deps.source)).state !== 'continues') return null
  held.chain = walker.chain
  held.size = checkpoint.size
  return at(walker)
}

function accept(
  state: MonitorState,
  position: Position,
  checkpoint: OpenedCheckpoint,
  { nowUnixMs, policy }: LookDeps,
): MonitorState {
  const note = printedNote(checkpoint)
  const { size } = checkpoint
  const count = position.chain?.next ?? null
  const seen: SeenTree = { size, root: toBase64(checkpoint.root), note, count }
  const newest = state.seen[0]
  // Anybody can put another line on an old note. With a policy it is its witnesses' times that count, further below.
  const isNew = newest === undefined || (policy === null ? newest.note !== note : newest.size < size)
  return {
    ...state,
    accepted: position,
    walk: null,
    seen: [seen, ...state.seen.filter(each => each.size !== size)].slice(0, maxSeen),
    hasChanged: state.hasChanged || (isNew && newest !== undefined),
    changedAtUnixMs: isNew ? nowUnixMs : state.changedAtUnixMs,
  }
}

/** Every other checkpoint must be of a tree that this one continues, or that it comes to. */
async function lookAtPeers(state: MonitorState, deps: LookDeps, showsIt: boolean): Promise<MonitorState> {
  const { found, nowUnixMs, peers, source, staleMs } = deps
  const log = logOf(state.vkey, state.rotations)
  const accepted = acceptedTree(state)
  const compare = async (tree: Tree, from: string, evidence: readonly Evidence[]): Promise<void> => {
    if (!showsIt && tree.size < accepted.size) return
    const comparison = await compareTrees(tree, accepted, source)
    if (comparison.state === 'contradicts')
      found({
        kind: 'fork',
        what: `${from} shows another tree of ${tree.size} entries than the log`,
        evidence: [
          ...evidence,
          ...newestNote(state),
          { name: 'fork-proof', text: printContradiction(tree, comparison) },
        ],
      })
    if (comparison.state === 'tiles-wrong')
      found({ kind: 'tile-changed', what: `the tiles do not have the tree of ${accepted.size} any more` })
  }
  for (const rotation of state.rotations) {
    const tree = rotatedAt(rotation)
    if (tree !== null && tree.size <= accepted.size)
      await compare(tree, 'a rotation of the key', [{ name: 'rotation', text: rotation }])
  }
  const shown = [...state.ahead]
  for (const { name, read } of peers) {
    try {
      const note = await read()
      if (!shown.some(each => each.note === note)) shown.push({ note, from: name, sinceUnixMs: nowUnixMs })
    } catch (error) {
      found({ kind: 'peer-unreachable', what: `${name}: ${messageOf(error)}` })
    }
  }
  const ahead: MonitorState['ahead'] = []
  for (const each of shown) {
    const { note, from, sinceUnixMs } = each
    const checkpoint = openCheckpoint(note, log, crypto)
    if (typeof checkpoint === 'string') {
      found({
        kind: 'peer-refused',
        what: `${from}: ${checkpoint}`,
        evidence: [{ name: 'refused', text: note }],
      })
      continue
    }
    if (checkpoint.size <= accepted.size) {
      await compare(checkpoint, from, [noteEvidence(checkpoint)])
      continue
    }
    ahead.push(each)
    if (nowUnixMs - sinceUnixMs < staleMs) continue
    const what = `${from} has a signed tree of ${checkpoint.size} entries, and the log shows ${accepted.size} since ${isoTime(sinceUnixMs)}`
    found({ kind: 'rollback', what, evidence: [noteEvidence(checkpoint), ...newestNote(state)] })
  }
  return { ...state, ahead: ahead.length > maxSeen ? oldestAndNewest(ahead) : ahead }
}

/** The oldest say for how long the log is behind; the newest are of what it must come to. */
function oldestAndNewest(ahead: MonitorState['ahead']): MonitorState['ahead'] {
  return [...ahead.slice(0, maxSeen / 2), ...ahead.slice(-maxSeen / 2)]
}

/** Does each name all entries of the tenant that the log holds? Those of trees that the log has not shown yet wait. */
async function lookAtStatements(state: MonitorState, deps: LookDeps): Promise<void> {
  const { chain, found, held, source, statements } = deps
  if (chain === null || state.accepted.chain === null) return
  const log = { source, seen: state.seen, shownSize: state.accepted.size, counted: held.counted }
  for (const { name, facts } of statements) {
    if (facts.checkpoint.size > state.accepted.size) continue
    const fault = await statementFault(facts, chain.key, log)
    if (fault !== null) found({ ...fault, what: `${name}: ${fault.what}` })
  }
}

/** A few old bundles, picked so that nobody can know which; all, where there are no more. */
async function lookAgain(state: MonitorState, { source, found, random, samples }: LookDeps): Promise<void> {
  const tree = acceptedTree(state)
  const full = Math.floor(tree.size / tileWidth)
  for (let sample = 0; sample < Math.min(samples, full); sample++) {
    const index = samples >= full ? sample : Math.floor(random() * full)
    const fault = await sampleFault(tree, index, source)
    if (fault !== null) found(fault)
  }
}

function tellStale(state: MonitorState, { found, nowUnixMs, staleMs, source }: LookDeps): void {
  const { changedAtUnixMs, hasChanged, unreachableSinceUnixMs } = state
  if (unreachableSinceUnixMs !== null) {
    if (nowUnixMs - unreachableSinceUnixMs >= staleMs)
      found({ kind: 'log-unreachable', what: `${source.name}, since ${isoTime(unreachableSinceUnixMs)}` })
  } else if (hasChanged && nowUnixMs - changedAtUnixMs >= staleMs)
    found({
      kind: 'checkpoint-stale',
      what: `no new checkpoint since ${isoTime(changedAtUnixMs)}, over ${state.accepted.size} entries`,
    })
}

function reached(state: MonitorState): MonitorState {
  return { ...state, unreachableSinceUnixMs: null }
}

function unreachable(
  state: MonitorState,
  { nowUnixMs, staleMs, found }: LookDeps,
  why: string,
): MonitorState {
  const since = state.unreachableSinceUnixMs ?? nowUnixMs
  // A log that was never seen has nothing to wait for.
  if (state.seen.length === 0 && staleMs > 0) found({ kind: 'log-unreachable', what: why })
  return { ...state, unreachableSinceUnixMs: since }
}

async function tellRollback(
  checkpoint: OpenedCheckpoint,
  state: MonitorState,
  deps: LookDeps,
): Promise<void> {
  const same = state.seen.find(({ size }) => size === checkpoint.size)
  if (same !== undefined && same.root !== toBase64(checkpoint.root)) {
    tellFork(checkpoint, state, deps, 'it shows two trees of one size', [
      { name: `checkpoint-${same.size}`, text: same.note },
    ])
    return
  }
  deps.found({
    kind: 'rollback',
    what: `a tree of ${checkpoint.size} entries is shown, after one of ${state.accepted.size}`,
    evidence: [noteEvidence(checkpoint), ...newestNote(state)],
  })
}

function tellFork(
  checkpoint: OpenedCheckpoint,
  state: MonitorState,
  { found }: LookDeps,
  how: string,
  more: readonly Evidence[] = [],
): void {
  const what = `two histories are signed: ${how} (${checkpoint.size} entries, root ${toBase64(checkpoint.root)})`
  found({ kind: 'fork', what, evidence: [noteEvidence(checkpoint), ...newestNote(state), ...more] })
}

function walkerAt(position: Position, { chain, held }: LookDeps): Walker {
  const { leafTimeUnixMs } = position
  const builder = builderAt(position)
  if (chain === null) return { builder, chain, leafTimeUnixMs }
  const kept = position.chain !== null && held.size === position.size ? held.chain : null
  // It moves on with the walk, which may lead astray.
  held.chain = null
  const labels = kept ?? new LabelChain(chain.key, crypto, position.chain ?? undefined)
  return { builder, chain: labels, leafTimeUnixMs }
}

function at({ builder, chain, leafTimeUnixMs }: Walker): Position {
  return positionOf(builder, { leafTimeUnixMs, chain: chain?.state() ?? null })
}
