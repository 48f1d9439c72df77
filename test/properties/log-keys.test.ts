import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { equalBytes } from '../../src/core/bytes.ts'
import { loadLogKey, loadOrCreateLogKey, rotateLogKey } from '../../src/ledger/log-keys.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { followRotations, type LogKeys, rotationText, singleKey } from '../../src/verify/log-keys.ts'
import { type NoteSigner, printNote, signatureLine } from '../../src/verify/note.ts'
import { noteKeyId, printVerifierKey, type VerifierKey } from '../../src/verify/verifier-key.ts'
import { crypto, makeSigner } from '../support/ledger.ts'

const origin = 'log.example/log/in-mumbai'
const root = new Uint8Array(32).fill(7)

const keyOf = (signer: NoteSigner): VerifierKey => ({
  ...signer,
  keyId: noteKeyId(signer.name, signer.publicKey, crypto),
})
const vkeyOf = (signer: NoteSigner): string => printVerifierKey(signer.name, signer.publicKey, crypto)
const checkpointBy = (signer: NoteSigner, size: number): string =>
  printNote(printCheckpoint({ origin, size, root }), signer, crypto)

function rotation(before: NoteSigner, after: NoteSigner, size: number): string {
  const text = rotationText(origin, vkeyOf(after), size, root)
  return printNote(text, before, crypto) + signatureLine(text, after, crypto)
}

describe('the keys of a log', () => {
  const [first, second, third] = [makeSigner(origin), makeSigner(origin), makeSigner(origin)]

  it('sign for the sizes of their time and no others', () => {
    const log = followRotations(
      keyOf(first),
      [rotation(first, second, 10), rotation(second, third, 20)],
      crypto,
    ) as LogKeys
    const signs = (signer: NoteSigner, size: number): boolean =>
      typeof openCheckpoint(checkpointBy(signer, size), log, crypto) !== 'string'
    expect([0, 9, 10, 11, 20, 21].map(size => signs(first, size))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
    ])
    expect([0, 9, 10, 11, 20, 21].map(size => signs(second, size))).toEqual([
      false,
      false,
      true,
      true,
      true,
      false,
    ])
    expect([0, 10, 19, 20, 21, 1e9].map(size => signs(third, size))).toEqual([
      false,
      false,
      false,
      true,
      true,
      true,
    ])
    expect(openCheckpoint(checkpointBy(first, 11), log, crypto)).toContain('does not sign for a tree of 11')
    expect(log.current.publicKey).toSatisfy((key: Uint8Array) => equalBytes(key, third.publicKey))
  })

  it('refuse a note with a bad signature of any of them, also beside a good one', () => {
    const log = followRotations(keyOf(first), [rotation(first, second, 10)], crypto) as LogKeys
    const text = printCheckpoint({ origin, size: 10, root })
    const both = printNote(text, first, crypto) + signatureLine(text, second, crypto)
    expect(openCheckpoint(both, log, crypto)).toMatchObject({ size: 10 })
    const forged = printNote(text, first, crypto) + signatureLine(`${text}x`, second, crypto)
    expect(openCheckpoint(forged, log, crypto)).toContain('does not hold')
  })

  it.each<[string, string[], string]>([
    [
      'signed by the new key alone',
      [printNote(rotationText(origin, vkeyOf(second), 1, root), second, crypto)],
      'the key before has not signed',
    ],
    [
      'signed by the old key alone',
      [printNote(rotationText(origin, vkeyOf(second), 1, root), first, crypto)],
      'the new key has not signed',
    ],
    ['signed by a stranger', [rotation(third, second, 1)], 'the key before has not signed'],
    [
      'at a smaller tree than the one before',
      [rotation(first, second, 5), rotation(second, third, 4)],
      'rotation 2: it takes place at a smaller tree',
    ],
    [
      'back to a key that was replaced',
      [rotation(first, second, 5), rotation(second, first, 6)],
      'rotation 2: a key that was replaced comes back',
    ],
    ['of another log', [rotation(first, makeSigner('log.example/log/de-frankfurt'), 1)], 'not of the log'],
    ['that is no rotation', [checkpointBy(first, 3)], 'not a holdfast/log-key/v1'],
    ['that is no note', ['hello'], 'not a signed note'],
    [
      'with a line more',
      [printNote(`${rotationText(origin, vkeyOf(second), 1, root)}more\n`, first, crypto)],
      'not a holdfast/log-key/v1',
    ],
  ])('are not followed over a rotation %s', (_, notes, fault) => {
    expect(followRotations(keyOf(first), notes, crypto)).toContain(fault)
  })

  it('of a log that never changed its key sign for every size', () => {
    const log = singleKey(keyOf(first))
    expect(openCheckpoint(checkpointBy(first, 0), log, crypto)).toMatchObject({ size: 0 })
    expect(openCheckpoint(checkpointBy(second, 0), log, crypto)).toContain('no signature by')
  })
})

describe('the key files of a region', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-keys-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('are replaced so that every crash leaves a key to go on with', async () => {
    const path = join(folder, 'log.key')
    const first = await loadOrCreateLogKey(path, origin, crypto)
    const firstPem = readFileSync(path)
    const second = await rotateLogKey(path, first, { size: 3, root }, crypto)
    expect(second.vkey).not.toBe(first.vkey)
    expect(second.log.spans.map(({ from, until }) => [from, until])).toEqual([
      [0, 3],
      [3, Number.MAX_SAFE_INTEGER],
    ])
    expect(second.history.vkey).toBe(first.vkey)
    const third = await rotateLogKey(path, second, { size: 9, root }, crypto)
    expect(third.history.rotations).toHaveLength(2)
    expect((await loadLogKey(path, origin, crypto)).vkey).toBe(third.vkey)

    // Died after the rotation was written, before the key was put in its place.
    const thirdPem = readFileSync(path)
    writeFileSync(`${path}.next`, thirdPem)
    writeFileSync(path, firstPem)
    expect((await loadLogKey(path, origin, crypto)).vkey).toBe(third.vkey)
    expect(readFileSync(path)).toEqual(thirdPem)

    // A key written and the rotation not: the key in use stays.
    writeFileSync(`${path}.next`, firstPem)
    expect((await loadLogKey(path, origin, crypto)).vkey).toBe(third.vkey)

    // The wrong key altogether, or rotations that were tampered with.
    writeFileSync(path, firstPem)
    rmSync(`${path}.next`)
    await expect(loadLogKey(path, origin, crypto)).rejects.toThrow(
      'not the key that the log is signed with now',
    )
    const rotations = readFileSync(`${path}.rotations`, 'utf8')
    writeFileSync(`${path}.rotations`, rotations.replace('\\n9\\n', '\\n8\\n'))
    await expect(loadLogKey(path, origin, crypto)).rejects.toThrow('rotation 2')
    renameSync(`${path}.rotations`, `${path}.rotations.bad`)
    expect((await loadLogKey(path, origin, crypto)).vkey).toBe(first.vkey)
  })
})
