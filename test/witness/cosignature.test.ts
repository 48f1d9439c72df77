import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { concat, toBase64, u64be, utf8 } from '../../src/core/bytes.ts'
import { cosignedMessage, findCosignature, printCosignature } from '../../src/verify/cosignature.ts'
import { parseNote } from '../../src/verify/note.ts'
import { noteKeyId, parseTypedVerifierKey, printVerifierKey } from '../../src/verify/verifier-key.ts'
import { crypto, makeSigner } from '../support/ledger.ts'
import { makeCosigner, makeLog } from '../support/witness.ts'

const now = Date.UTC(2026, 0, 2)
const seconds = now / 1000
const log = makeLog(makeSigner())
const cosigner = makeCosigner()
const text = parseNote(log.note(3))!.text
const cosigned = (line: string) => parseNote(log.note(3) + line)!

describe('a cosignature', () => {
  it('is over the message of tlog-cosignature, to the byte', () => {
    const body = 'example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n'
    expect(Buffer.from(cosignedMessage(body, 1679315147, cosigner)!).toString()).toBe(
      `cosignature/v1\ntime 1679315147\n${body}`,
    )
    const message = Buffer.from(
      cosignedMessage(body, 1679315147, { kind: 'cosignature-ml-dsa-44', name: 'w.example' })!,
    )
    const root = Buffer.from('CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=', 'base64')
    const origin = 'example.com/behind-the-sofa'
    expect(message.subarray(0, 12).toString('latin1')).toBe('subtree/v1\n\0')
    expect(message.toString('hex')).toBe(
      [
        Buffer.from('subtree/v1\n\0').toString('hex'),
        '09',
        Buffer.from('w.example').toString('hex'),
        '00000000641850cb',
        '1b',
        Buffer.from(origin).toString('hex'),
        '0000000000000000',
        '00000000013e2dc3',
        root.toString('hex'),
      ].join(''),
    )
  })

  it('of the specification’s example is found by its key id alone, and not believed', () => {
    const note = parseNote(
      `${text}\n\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n`,
    )!
    const key = { ...makeCosigner('witness.example.com/w1'), keyId: Buffer.from('8d66cf3f', 'hex') }
    expect(findCosignature(note, key, crypto, now)).toMatchObject({ state: 'false' })
    expect(findCosignature(note, cosigner, crypto, now)).toMatchObject({ state: 'none' })
  })

  it('holds at its time, and its newest time counts', () => {
    const note = cosigned(
      printCosignature(text, seconds - 60, cosigner) + printCosignature(text, seconds - 5, cosigner),
    )
    expect(findCosignature(note, cosigner, crypto, now)).toEqual({ state: 'holds', timeUnixS: seconds - 5 })
  })

  it('of another time, text, name or key does not hold, also beside a good one', () => {
    const line = printCosignature(text, seconds, cosigner)
    const bytes = Buffer.from(line.split(' ')[2]!, 'base64')
    for (let at = 4; at < bytes.length; at += 7) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1
      const bad = `\u2014 ${cosigner.name} ${changed.toString('base64')}\n`
      expect(findCosignature(cosigned(line + bad), cosigner, crypto, now).state).not.toBe('holds')
    }
    const moved = parseNote(log.note(4) + line)!
    expect(findCosignature(moved, cosigner, crypto, now).state).toBe('false')
  })

  it('from the future is refused, beyond what clocks differ', () => {
    const at = (time: number) =>
      findCosignature(cosigned(printCosignature(text, time, cosigner)), cosigner, crypto, now).state
    expect(at(seconds + 299)).toBe('holds')
    expect(at(seconds + 301)).toBe('refused')
    expect(at(Number.MAX_SAFE_INTEGER)).toBe('refused')
  })

  it.each([0x8000000000000000n, 0xffffffffffffffffn, 0x20000000000000n])('of second %s is none', time => {
    const signature = concat(cosigner.keyId, u64be(time), cosigner.sign(utf8('x')))
    const note = cosigned(`\u2014 ${cosigner.name} ${toBase64(signature)}\n`)
    expect(findCosignature(note, cosigner, crypto, now)).toMatchObject({ state: 'false' })
  })

  it('that is cut short is none', () => {
    for (const length of [1, 7, 8, 71]) {
      const signature = concat(cosigner.keyId, new Uint8Array(length))
      const note = cosigned(`\u2014 ${cosigner.name} ${toBase64(signature)}\n`)
      expect(findCosignature(note, cosigner, crypto, now).state).toBe('false')
    }
  })

  it('with ML-DSA-44 holds where it can be checked, and counts for nothing elsewhere', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ml-dsa-44' as 'ed25519')
    const raw = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(22))
    const name = 'pq.example/w'
    const kind = 'cosignature-ml-dsa-44'
    const pq = {
      kind,
      name,
      publicKey: raw,
      keyId: noteKeyId(name, raw, crypto, kind),
      sign: (message: Uint8Array) => sign(null, message, privateKey),
    } as const
    expect(parseTypedVerifierKey(printVerifierKey(name, raw, crypto, kind), crypto)).toMatchObject({
      kind,
      name,
    })
    const note = cosigned(printCosignature(text, seconds, pq))
    expect(findCosignature(note, pq, crypto, now)).toEqual({ state: 'holds', timeUnixS: seconds })
    expect(findCosignature(note, { ...pq, name: 'pq.example/v' }, crypto, now).state).toBe('none')
    const without = { ...crypto, verifyMlDsa44: undefined }
    expect(findCosignature(note, pq, without as never, now)).toMatchObject({ state: 'none' })
  })
})

describe('a verifier key', () => {
  it('of a kind is not one of another', () => {
    const typed = parseTypedVerifierKey(cosigner.vkey, crypto)
    expect(typed).toMatchObject({ kind: 'cosignature-ed25519', name: cosigner.name })
    const asLog = cosigner.vkey.replace(/^([^+]+\+[0-9a-f]+\+)B/, '$1A')
    expect(parseTypedVerifierKey(asLog, crypto)).toBeNull()
    expect(parseTypedVerifierKey(cosigner.vkey.slice(0, -4), crypto)).toBeNull()
  })
})
