/** One life of a region on a disk that fails: drafts, ticks, an erasure, restarts; and what must hold at the end. */
import { randomBytes } from 'node:crypto'
import { fromUtf8, toHex, utf8 } from '../../src/core/bytes.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import { hasCode, messageOf } from '../../src/core/errors.ts'
import type { EntryId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { createDocument, documentId, signDocument } from '../../src/crypto/signed-document.ts'
import { runErasure } from '../../src/instructions/erase.ts'
import { instructionPayloadType } from '../../src/instructions/instruction.ts'
import { createInstructionBook } from '../../src/instructions/instruction-book.ts'
import { createDraftBox } from '../../src/ledger/drafts.ts'
import { fsckLedger } from '../../src/ledger/fsck-ledger.ts'
import { repairLedger } from '../../src/ledger/repair.ts'
import { createSequencer, type Sequencer } from '../../src/ledger/sequencer.ts'
import { statementLines } from '../../src/ledger/statements.ts'
import { storedLeaves } from '../../src/ledger/stored-leaves.ts'
import { chainRowKey, tenantRowKey } from '../../src/ledger/tables.ts'
import { chainKeyCommitment, leafBytes } from '../../src/verify/leaf.ts'
import { leafHash } from '../../src/verify/merkle.ts'
import type { CheckedRow } from '../../src/verify/statement.ts'
import { checkStatement } from '../../src/verify/statement.ts'
import { TreeFold } from '../../src/verify/tree-fold.ts'
import { parseTrust, type Trust } from '../../src/verify/trust.ts'
import { verdictTypes } from '../../src/verify/verdict-document.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { createFaultyDisk, type DiskImage, type FaultKind } from './faulty-disk.ts'
import { crypto, logOfSigner, makeGenesis, makeSigner, region } from './ledger.ts'
import { createChance } from './random.ts'

/** Keys and a tenant that all runs share: making them would cost more than a run. */
export function createRunParts() {
  const signer = makeSigner()
  const log = logOfSigner(signer)
  const { keys, signed, tenant } = makeGenesis()
  const chainKey = randomBytes(32)
  const genesis = JSON.stringify(printEnvelope(signed))
  const trust = parseTrust(
    JSON.stringify({
      format: 'holdfast/trust/v1',
      tenant,
      genesis: printEnvelope(signed),
      regions: {
        [region]: {
          origin: signer.name,
          vkey: printVerifierKey(signer.name, signer.publicKey, crypto),
          chainKey: toHex(chainKey),
          country: 'IN',
        },
      },
    }),
    crypto,
  ) as Trust
  const row = utf8(JSON.stringify({ v: 1, chainKey: toHex(chainKey), genesis }))
  return { signer, log, keys, tenant, chainKey, trust, row }
}
export type RunParts = ReturnType<typeof createRunParts>

export type Step = 'draft' | 'tick' | 'erase' | 'restart'

export interface RunPlan {
  readonly seed: number
  readonly steps: readonly Step[]
  readonly faults: ReadonlyMap<number, FaultKind>
  readonly batchSize: number
  readonly image?: DiskImage
  /** At the first restart the disk breaks its word: acknowledged commits are gone, or tiles. */
  readonly lies?: { readonly lostCommits?: number; readonly forgetsTiles?: boolean }
}

export interface RunOutcome {
  /** What is wrong; nothing when all held. */
  readonly faults: readonly string[]
  /** Whether the ledger stopped. */
  readonly stopped: string | null
  readonly writes: number
  readonly blank: number
  readonly image: DiskImage
}

const startUnixMs = Date.UTC(2026, 0, 2)

export async function runOnce(parts: RunParts, plan: RunPlan): Promise<RunOutcome> {
  const { keys, log, tenant, trust } = parts
  const chance = createChance(plan.seed)
  const disk = await createFaultyDisk(plan.faults, chance, plan.image)
  const { catalog, tiles } = disk
  const faults: string[] = []
  const signedTexts: string[] = []
  /** Checkpoints that a reader could have had. */
  const shown = new Set<string>()
  let now = startUnixMs
  let stopped: string | null = null
  const lying = plan.lies !== undefined
  const signer = {
    ...parts.signer,
    sign: (message: Uint8Array) => {
      if (stopped !== null) faults.push('it signed after it had stopped')
      signedTexts.push(fromUtf8(message))
      return parts.signer.sign(message)
    },
  }
  const drafts = createDraftBox(
    region,
    () => now++,
    length => randomBytes(length),
  )
  const book = createInstructionBook({ id: region, catalog, drafts, countries: new Map(), clock: () => now })
  const acknowledged: EntryId[] = []
  let sequencer: Sequencer
  const start = (): void => {
    sequencer = createSequencer({
      catalog,
      tiles,
      region,
      signer,
      log,
      crypto,
      randomBytes: length => randomBytes(length),
      batchSize: plan.batchSize,
    })
  }
  start()
  /** What it was told is all that the world knows: an error says nothing. */
  const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
    try {
      await work()
      return true
    } catch (error) {
      const text = messageOf(error)
      const isInjected = text.includes('injected') || text === 'the disk is full'
      if (!isInjected) {
        if (hasCode(error, 'store-damaged')) stopped ??= text
        else faults.push(`unforeseen: ${text}`)
      }
      return false
    }
  }
  const look = (): void => {
    const bytes = tiles.visible.get('checkpoint')
    if (bytes !== undefined) shown.add(fromUtf8(bytes))
  }

  let lies = plan.lies
  const restart = async (): Promise<void> => {
    await disk.restart(lies)
    lies = undefined
    start()
  }
  const draft = async (): Promise<void> => {
    // Nobody is let in who has not joined.
    if ((await catalog.get('tenants', tenantRowKey(tenant))) === null) return join()
    const body = { bucket: 'b', by: { accessKeyId: 'AK' } }
    const { entryId, put } = drafts.draft({ tenant, type: 'bucket.deleted', body })
    if (await attempt(() => catalog.commit({ puts: [put] }))) acknowledged.push(entryId)
  }

  const join = async (): Promise<void> => {
    const body = {
      genesis: tenant,
      home: region,
      chainKeyCommitment: toHex(chainKeyCommitment(parts.chainKey, crypto)),
      country: 'IN',
    }
    const { put, entryId } = drafts.draft({ tenant, type: 'tenant.joined', body })
    const key = tenantRowKey(tenant)
    const held = await attempt(async () => {
      const isNew = await catalog.commit({
        checks: [{ table: 'tenants', key, expected: null }],
        puts: [put, { table: 'tenants', key, value: parts.row }],
      })
      if (isNew) acknowledged.push(entryId)
    })
    if (!held && disk.isCut()) await restart()
  }

  /** Orders the newest entry that can be to be erased, once, and carries out what is ordered. */
  let ordered: { id: string; seq: number } | null = null
  const erase = async (): Promise<void> => {
    if (ordered === null) {
      const head = await catalog.get('chains', Buffer.from(tenant))
      const count = head === null ? 0 : Number(Buffer.from(head).readBigUInt64BE())
      let found: [number, string] | null = null
      for (let seq = count - 1; seq > 0 && found === null; seq--) {
        const at = (await catalog.get('chains', chainRowKey(tenant, seq)))!
        const { id, type } = JSON.parse(
          fromUtf8((await catalog.get('entries', at))!.subarray(leafBytes + 32)) || '{}',
        ) as { id: string; type: string }
        if (type === 'bucket.deleted') found = [seq, id]
      }
      if (found === null) return
      const document = createDocument(instructionPayloadType, {
        expires: isoTime(startUnixMs + 86_400e3),
        kind: 'erase',
        ledger: signer.name,
        nonce: 'ab'.repeat(16),
        notBefore: isoTime(startUnixMs),
        purpose: 'a test',
        region,
        scope: { entries: [found as Json] },
        tenant,
        v: 1,
      })
      const id = documentId(document)
      await book.draft(document)
      const approval = { instruction: id, reason: '', tenant, time: isoTime(now), v: 1 }
      await book.say(signDocument(createDocument(verdictTypes.approved, approval), keys[0]!))
      ordered = { id, seq: found[0] }
    }
    const deps = { id: region, catalog, drafts, book, logKey: signer, lawfulNow: () => now }
    for (const id of await book.active()) await runErasure({ region: deps, log: () => {} }, id)
  }

  /** At every moment: blank and ended, or neither. */
  const demandHonest = async (): Promise<void> => {
    if (ordered === null || lying) return
    const { state, blank } = await erasureOf(ordered)
    if (blank !== (state === 'completed'))
      faults.push(`the erasure is ${state} and its row is ${blank ? 'blank' : 'there'}`)
  }
  const erasureOf = async ({ id, seq }: { id: string; seq: number }) => {
    const known = JSON.parse(fromUtf8((await catalog.get('instructions', utf8(id)))!)) as { state: string }
    const at = (await catalog.get('chains', chainRowKey(tenant, seq)))!
    const row = (await catalog.get('entries', at))!
    return { state: known.state, blank: row.length === leafBytes }
  }

  await join()
  for (const step of plan.steps) {
    if (stopped !== null) break
    if (step === 'draft') await draft()
    if (step === 'tick') await attempt(() => sequencer.tick())
    if (step === 'erase') await attempt(erase)
    look()
    if (step === 'restart' || disk.isCut()) await restart()
    look()
    await demandHonest()
  }

  disk.heal()
  await restart()
  if (stopped === null) {
    await attempt(async () => {
      await join()
      for (const id of await book.active())
        await runErasure(
          {
            region: { id: region, catalog, drafts, book, logKey: signer, lawfulNow: () => now },
            log: () => {},
          },
          id,
        )
      while ((await sequencer.tick()).entered > 0);
    })
    look()
  }

  const writes = disk.writes()
  if (stopped !== null) {
    if (!lying) faults.push(`it stopped on a disk that kept its word: ${stopped}`)
    const findings = await fsckLedger({ catalog, tiles, log, crypto }, region)
    if (findings.length === 0) faults.push(`it stopped (${stopped}) and fsck finds nothing`)
    return { faults, stopped, writes, blank: 0, image: disk.image() }
  }

  // Everything that was ever signed is a beginning of the one tree there is. A disk that broke its word may have made
  // it forget what nobody was shown.
  const roots = new Map<number, string>()
  const fold = new TreeFold(crypto)
  let size = 0
  roots.set(0, Buffer.from(crypto.sha256(new Uint8Array(0))).toString('base64'))
  const tree = await catalog.get('meta', utf8('ledger/tree'))
  const total = tree === null ? 0 : Number(Buffer.from(tree).readBigUInt64BE())
  for await (const leaf of storedLeaves(catalog, 0, total)) {
    fold.push(leafHash(leaf, crypto))
    roots.set(++size, Buffer.from(fold.root()!).toString('base64'))
  }
  const claims = lying ? [...shown] : [...signedTexts, ...shown]
  for (const text of claims) {
    const [origin, claimed, root] = text.split('\n')
    if (origin === signer.name && roots.get(Number(claimed)) !== root)
      faults.push(`it signed a tree of ${claimed} that is no beginning of the one of ${total}`)
  }

  const stores = { catalog, tiles, log, crypto }
  // Tiles that were acknowledged and are gone follow from the entries.
  if (plan.lies?.forgetsTiles === true) await repairLedger(stores)
  const findings = await fsckLedger(stores, region)
  faults.push(...findings.map(text => `fsck: ${text}`))

  const rows: CheckedRow[] = []
  const check = checkStatement(trust, crypto, row => void rows.push(row))
  const deps = { catalog, tiles, region, signer: parts.signer, log, crypto, clock: () => now }
  try {
    for await (const line of statementLines(deps, tenant)) check.push(utf8(line))
    const verdict = check.end()
    if (!verdict.verified) faults.push(...verdict.failures.map(text => `verify: ${text}`))
  } catch (error) {
    faults.push(`no statement: ${messageOf(error)}`)
    return { faults, stopped, writes, blank: 0, image: disk.image() }
  }
  const blank = rows.filter(({ payload }) => payload === null).length
  const told = new Map<string, number>()
  for (const { payload } of rows) {
    const ids =
      payload === null
        ? []
        : payload.type === 'entries.erased'
          ? [payload.id, ...(payload.body.entries as [number, string][]).map(([, id]) => id)]
          : [payload.id]
    for (const id of ids) told.set(id, (told.get(id) ?? 0) + 1)
  }
  for (const [id, times] of told) if (times > 1) faults.push(`entry ${id} is there ${times} times`)
  if (!lying)
    for (const id of acknowledged)
      if (!told.has(id)) faults.push(`entry ${id} was acknowledged and is not there`)
  const erasure = ordered as { id: string; seq: number } | null
  if (erasure !== null && !lying) {
    const { state } = await erasureOf(erasure)
    if (state !== 'completed') faults.push(`the erasure is ${state}`)
    await demandHonest()
  }
  return { faults, stopped, writes, blank, image: disk.image() }
}
