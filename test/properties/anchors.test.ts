import { describe, expect, it } from 'vitest'
import { toHex } from '../../src/core/bytes.ts'
import { canonicalJson, type Json } from '../../src/core/canonical-json.ts'
import { printEnvelope } from '../../src/crypto/dsse.ts'
import { generatePrivateKey } from '../../src/crypto/signatures.ts'
import { createDocument, signDocument } from '../../src/crypto/signed-document.ts'
import { printPayload } from '../../src/ledger/payload-print.ts'
import { openCheckpoint } from '../../src/verify/checkpoint.ts'
import { parseCheckpoint, printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { genesisPayloadType, openGenesis } from '../../src/verify/genesis.ts'
import { encodeLeaf, parseLeaf } from '../../src/verify/leaf.ts'
import { singleKey } from '../../src/verify/log-keys.ts'
import { noteFault, parseNote, printNote } from '../../src/verify/note.ts'
import { noPrevious, parsePayload } from '../../src/verify/payload.ts'
import { isLogResource, tilePath } from '../../src/verify/tile-path.ts'
import { parseTrust } from '../../src/verify/trust.ts'
import { noteKeyId, parseVerifierKey, printVerifierKey } from '../../src/verify/verifier-key.ts'
import { createTestLedger, crypto, makeGenesis, makeSigner } from '../support/ledger.ts'

describe('a genesis', () => {
  const { document, keys, signed, tenant } = makeGenesis(3)

  it('names its tenant by its id', () => {
    expect(openGenesis(signed, crypto)).toMatchObject({ tenant, quorum: 1, name: 'Example' })
  })

  it('must be signed by each of its approvers', () => {
    for (let missing = 0; missing < 3; missing++) {
      const some = signDocument(document, ...keys.filter((_, at) => at !== missing))
      expect(openGenesis(some, crypto)).toBe(`the genesis is not signed by its approver ${missing + 1}`)
    }
    const stranger = signDocument(document, keys[0]!, keys[1]!, generatePrivateKey('ed25519'))
    expect(openGenesis(stranger, crypto)).toContain('not signed by its approver 3')
  })

  const fields = JSON.parse(Buffer.from(document.payload).toString()) as { [field: string]: Json }
  const [first] = fields.approvers as Json[]
  it.each<[string, { [field: string]: Json | undefined }]>([
    ['has other fields', { extra: 1 }],
    ['has other fields', { nonce: undefined }],
    ['another version', { v: 2 }],
    ['a quorum must be', { quorum: 4 }],
    ['a quorum must be', { quorum: 0 }],
    ['has no approvers', { approvers: [], quorum: 0 }],
    ['listed twice', { approvers: [first!, first!] }],
    ['unknown algorithm', { approvers: [{ algorithm: 'none', publicKey: '00' }] }],
    ['no valid time', { created: '2026-01-02' }],
    ['no recovery set', { recovery: null }],
    ['the recovery set: a quorum', { recovery: { approvers: [first!], quorum: 0 } }],
  ])('is refused: %s', (fault, change) => {
    const changed = createDocument(genesisPayloadType, { ...fields, ...change })
    expect(openGenesis(signDocument(changed, ...keys), crypto)).toContain(fault)
  })

  it('is refused when it is another document that the same keys signed', () => {
    const other = createDocument('application/vnd.holdfast.approval+json', fields)
    expect(openGenesis(signDocument(other, ...keys), crypto)).toContain('another payload type')
    const loose = { ...document, payload: Buffer.from(JSON.stringify(fields, null, 1)) }
    expect(openGenesis(signDocument(loose, ...keys), crypto)).toContain('not a canonical JSON')
  })
})

describe('a trust file', () => {
  it('is refused with any fact in it changed', async () => {
    const ledger = await createTestLedger()
    const { trustText } = await ledger.join()
    const file = JSON.parse(trustText)
    const region = file.regions['in-mumbai']
    const other = makeSigner('log.example/log/other')
    const faults: [string, object][] = [
      ['another format', { format: 'holdfast/trust/v2' }],
      ['not the id of the genesis', { tenant: '0'.repeat(64) }],
      ['has no genesis', { genesis: null }],
      ['not the id of the genesis', { genesis: printEnvelope(makeGenesis().signed) }],
      ['no regions', { regions: [] }],
      ['vkey is not', { regions: { x: { ...region, vkey: `${region.vkey}A` } } }],
      [
        'origin is not',
        { regions: { x: { ...region, vkey: printVerifierKey(other.name, other.publicKey, crypto) } } },
      ],
      ['chain key', { regions: { x: { ...region, chainKey: 'ff' } } }],
      ['country', { regions: { x: { ...region, country: 'in' } } }],
    ]
    for (const [fault, change] of faults) {
      expect(parseTrust(JSON.stringify({ ...file, ...change }), crypto)).toContain(fault)
    }
    expect(parseTrust('[]', crypto)).toContain('not a JSON object')
    expect(parseTrust('{', crypto)).toContain('not a JSON object')
  })
})

describe('a signed note', () => {
  const signer = makeSigner('log.example/a')
  const key = { ...signer, keyId: noteKeyId(signer.name, signer.publicKey, crypto) }
  const note = printNote('text\n\nmore\n', signer, crypto)

  it('passes over signatures of strangers, and rejects a bad one beside a good one', () => {
    expect(noteFault(parseNote(note)!, key, crypto)).toBeNull()
    expect(parseNote(note)!.text).toBe('text\n\nmore\n')
    const stranger = printNote('text\n\nmore\n', makeSigner('log.example/a'), crypto).split('\n').at(-2)!
    expect(noteFault(parseNote(`${note}${stranger}\n`)!, key, crypto)).toBeNull()
    expect(noteFault(parseNote(note.replace(/—.*\n/u, `${stranger}\n`))!, key, crypto)).toContain(
      'no signature by',
    )
    const forged = printNote('other\n', signer, crypto).split('\n').at(-2)!
    expect(noteFault(parseNote(`${note}${forged}\n`)!, key, crypto)).toContain('does not hold')
  })

  it.each([
    ['no signature', 'text\n\n'],
    ['no blank line', 'text\n— a AAAAAAA=\n'],
    ['a hyphen for the dash', 'text\n\n- a AAAAAAA=\n'],
    ['a name with a plus', 'text\n\n— a+b AAAAAAA=\n'],
    ['a control character', 'te\txt\n\n— a AAAAAAA=\n'],
    ['a carriage return', 'text\r\n\n— a AAAAAAA=\n'],
    ['stray bits in base64', 'text\n\n— a AAAAAAB=\n'],
    ['no last newline', 'text\n\n— a AAAAAAA='],
    ['a lone surrogate', 'te\ud800xt\n\n— a AAAAAAA=\n'],
    ['nothing but a key id', 'text\n\n— a AAAAAA==\n'],
  ])('is refused with %s', (_, text) => {
    expect(parseNote(text)).toBeNull()
  })

  it('is a checkpoint only of the log that its key is of', () => {
    const root = new Uint8Array(32)
    const foreign = printNote(printCheckpoint({ origin: 'log.example/b', size: 1, root }), signer, crypto)
    expect(openCheckpoint(foreign, singleKey(key), crypto)).toContain('is of log.example/b')
    const own = printNote(printCheckpoint({ origin: 'log.example/a', size: 1, root }), signer, crypto)
    expect(openCheckpoint(own, singleKey(key), crypto)).toMatchObject({ size: 1 })
  })

  it.each([
    'a\n01\nROOT\n',
    'a\n-1\nROOT\n',
    'a\n9007199254740992\nROOT\n',
    'a\n1\nAAAA\n',
    'a\n1\n',
    '\n1\nROOT\n',
    'a\n1\nROOT\n\n',
  ])('is no checkpoint: %j', text => {
    expect(parseCheckpoint(text.replace('ROOT', `${'A'.repeat(43)}=`))).toBeNull()
  })

  it('is of a key whose id is right', () => {
    const vkey = printVerifierKey(signer.name, signer.publicKey, crypto)
    expect(parseVerifierKey(vkey, crypto)).toMatchObject({ name: 'log.example/a' })
    const [name, id, rest] = vkey.split('+') as [string, string, string]
    expect(parseVerifierKey(`${name}x+${id}+${vkey.slice(name.length + 10)}`, crypto)).toBeNull()
    expect(parseVerifierKey(`${name}+00000000+${rest}`, crypto)).toBeNull()
    expect(parseVerifierKey(vkey.toUpperCase(), crypto)).toBeNull()
  })
})

describe('a payload', () => {
  const draft = {
    entryId: '01j0000000000000000000000a',
    tenant: 'a'.repeat(64),
    type: 'bucket.deleted',
    timeUnixMs: 1_760_000_000_123,
    body: canonicalJson({ bucket: 'a"b\\ü', by: { accessKeyId: 'AK' } }),
  }
  const text = printPayload(draft, 'in-mumbai', 7, noPrevious)
  const value = JSON.parse(text) as { [field: string]: Json }

  it('is printed canonically from its parts', () => {
    expect(canonicalJson(value)).toBe(text)
    expect(parsePayload(text)).toEqual(value)
  })

  it('of a type that is not known yet is kept', () => {
    expect(parsePayload(canonicalJson({ ...value, type: 'new.kind' }))).toMatchObject({ type: 'new.kind' })
  })

  it.each<[string, { [field: string]: Json | undefined }]>([
    ['other fields', { extra: 1 }],
    ['other fields', { prev: undefined }],
    ['another version', { v: 2 }],
    ['no entry id', { id: 'x' }],
    ['no type', { type: '' }],
    ['no tenant', { tenant: 'A'.repeat(64) }],
    ['no region', { region: null }],
    ['no valid time', { time: '2026-02-30T00:00:00.000Z' }],
    ['no sequence number', { seq: -1 }],
    ['entry before', { prev: '00' }],
    ['no body', { body: [] }],
  ])('is refused: %s', (fault, change) => {
    expect(parsePayload(canonicalJson({ ...value, ...change }))).toContain(fault)
  })

  it.each([
    [` ${text}`],
    [text.replace('"v":1', '"v":1.0')],
    [text.replace('"v":1', '"v":1,"v":1')],
    ['null'],
    [''],
  ])('is refused in another spelling: %j', spelling => {
    expect(parsePayload(spelling)).toContain('the payload is not')
  })
})

describe('a leaf', () => {
  it('is 73 bytes, and nothing else is one', () => {
    const leaf = {
      timeUnixMs: 2 ** 40 + 5,
      label: new Uint8Array(32).fill(1),
      commitment: new Uint8Array(32).fill(2),
    }
    const bytes = new Uint8Array(encodeLeaf(leaf))
    expect(toHex(bytes)).toBe(`010000010000000005${'01'.repeat(32)}${'02'.repeat(32)}`)
    expect(parseLeaf(bytes)).toEqual(leaf)
    expect(parseLeaf(bytes.slice(1))).toBeNull()
    expect(parseLeaf(bytes.with(0, 2))).toBeNull()
    expect(parseLeaf(bytes.with(1, 1))).toBeNull()
  })
})

describe('a tile path', () => {
  it.each([
    [0, 0, 256, 'tile/0/000'],
    [1, 1_234_067, 256, 'tile/1/x001/x234/067'],
    ['entries', 999, 3, 'tile/entries/999.p/3'],
    ['entries', 1000, 256, 'tile/entries/x001/000'],
  ] as const)('of level %s, index %i, width %i', (level, index, width, path) => {
    expect(tilePath(level, index, width)).toBe(path)
    expect(isLogResource(path)).toBe(true)
  })
})
