/** Who is an approver, what is its signature, and what is not: by every algorithm and both kinds of cryptography. */
import { createHash, randomBytes } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toBase64, toHex, utf8 } from '../../src/core/bytes.ts'
import type { Json } from '../../src/core/canonical-json.ts'
import type { Approver } from '../../src/crypto/approver.ts'
import { type Envelope, pae, printEnvelope } from '../../src/crypto/dsse.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { pureVerifyCrypto } from '../../src/crypto/pure-verify-crypto.ts'
import { generatePrivateKey, keyIdOf, parsePrivateKey, verifyApprover } from '../../src/crypto/signatures.ts'
import { createDocument, documentId } from '../../src/crypto/signed-document.ts'
import { approverSigned, parseApproverSet, printApprover } from '../../src/verify/approvers.ts'
import { genesisPayloadType } from '../../src/verify/genesis.ts'
import { approverId } from '../../src/verify/key-id.ts'
import { parseTrust } from '../../src/verify/trust.ts'
import { type ApproverAttack, approverAttacks, honest, keys, passkey } from '../support/approver-attacks.ts'
import { run } from '../support/child.ts'
import type { SignatureCase } from '../support/judge-approvers.ts'
import { describeWith } from '../support/program.ts'
import { makeRsaKey } from '../support/raw-rsa.ts'

const root = join(import.meta.dirname, '..', '..')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-approvers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const message = utf8('what is signed')
const adapters = { node: nodeVerifyCrypto, pure: pureVerifyCrypto }

describe('an approver’s signature', () => {
  it.each(honest)('is that of $name', ({ approver, sign }) => {
    const signature = sign(message)
    expect(verifyApprover(approver, message, signature)).toBe(true)
    expect(approverSigned(approver, message, signature, pureVerifyCrypto)).toBe(true)
    expect(verifyApprover(approver, utf8('another message'), signature)).toBe(false)
  })

  it.each(approverAttacks)('is not $name', ({ approver, sign }) => {
    const signature = sign(message)
    expect(verifyApprover(approver, message, signature)).toBe(false)
    expect(approverSigned(approver, message, signature, pureVerifyCrypto)).toBe(false)
  })
})

describe('every check of a passkey’s signature is needed', () => {
  const checked = approverAttacks.filter(({ check }) => check !== undefined)
  let honestly: boolean[]
  let without: boolean[]

  beforeAll(async () => {
    const judge = async (cases: readonly SignatureCase[]): Promise<boolean[]> => {
      const judged = await run(process.execPath, [join(root, 'test/support/judge-approvers.ts')], {
        input: JSON.stringify(cases),
      })
      if (judged.code !== 0) throw new Error(judged.stderr)
      return JSON.parse(judged.stdout) as boolean[]
    }
    const caseOf = (where: string, { approver, sign }: ApproverAttack): SignatureCase => ({
      folder: where,
      approver: printApprover(approver),
      message: toBase64(message),
      signature: toBase64(sign(message)),
    })
    honestly = await judge(honest.map(each => caseOf(join(root, 'src'), each)))
    const copies = new Map<string, string>()
    for (const { check } of checked) {
      const { find, replace } = check!
      if (copies.has(find + replace)) continue
      const copy = join(folder, `${copies.size}`)
      copies.set(find + replace, copy)
      for (const layer of ['core', 'crypto', 'verify'])
        cpSync(join(root, 'src', layer), join(copy, layer), { recursive: true })
      const path = join(copy, 'crypto', 'webauthn.ts')
      const text = readFileSync(path, 'utf8')
      if (text.split(find).length !== 2) throw new Error(`webauthn.ts does not hold once: ${find}`)
      writeFileSync(
        path,
        text.replace(find, () => replace),
      )
    }
    without = await judge(
      checked.map(attack => caseOf(copies.get(attack.check!.find + attack.check!.replace)!, attack)),
    )
  })

  it('and honest signatures pass them all', () => {
    expect(honestly).toEqual(honest.map(() => true))
  })

  it.each(checked.map(({ name }, at) => [name, at] as const))('against %s', (_, at) => {
    expect(without[at]).toBe(true)
  })
})

const hex = {
  ed25519: toHex(keys.ed25519.publicKey),
  p256: toHex(keys.p256.publicKey),
  rsa: toHex(keys.rsa.publicKey),
}
const passkeyJson = printApprover(passkey.approver) as { readonly [field: string]: Json }
const withPasskey = (change: object): unknown => ({ ...passkeyJson, ...change })

const malformed: readonly (readonly [string, unknown, string])[] = [
  ['no object', 'ed25519', 'not an approver'],
  ['an unknown algorithm', { algorithm: 'none', publicKey: hex.ed25519 }, 'an unknown algorithm'],
  ['a name that all objects have', { algorithm: 'constructor', publicKey: '' }, 'an unknown algorithm'],
  ['no algorithm', { publicKey: hex.ed25519 }, 'an unknown algorithm'],
  ['no key', { algorithm: 'ed25519' }, 'no public key in lower-case hex'],
  ['capitals', { algorithm: 'ed25519', publicKey: 'AA'.repeat(32) }, 'no public key in lower-case hex'],
  ['a short key', { algorithm: 'ed25519', publicKey: 'aa' }, 'not of 32 bytes'],
  ['a label that is too long', withPasskey({ rpId: 'a'.repeat(64) }), 'no rpId'],
  ['a name that is too long', withPasskey({ rpId: `${'a.'.repeat(127)}a` }), 'no rpId'],
  ['another field', { algorithm: 'ed25519', name: '', publicKey: hex.ed25519 }, 'other fields'],
  ['a passkey’s fields', withPasskey({ algorithm: 'ecdsa-p256-sha256' }), 'other fields'],
  [
    'an Ed25519 key as P-256',
    { algorithm: 'ecdsa-p256-sha256', publicKey: hex.ed25519 },
    'no uncompressed point',
  ],
  [
    'a point off the curve',
    { algorithm: 'ecdsa-p256-sha256', publicKey: `04${'11'.repeat(64)}` },
    'no uncompressed point',
  ],
  ['zeros', { algorithm: 'ecdsa-p256-sha256', publicKey: `04${'00'.repeat(64)}` }, 'no uncompressed point'],
  [
    'a compressed point',
    { algorithm: 'ecdsa-p256-sha256', publicKey: `02${hex.p256.slice(2, 66)}` },
    'no uncompressed point',
  ],
  [
    'a P-256 key as RSA',
    { algorithm: 'rsa-pss-sha256', publicKey: hex.p256 },
    'no RSA public key in canonical DER',
  ],
  ['an RSA key and a byte', { algorithm: 'rsa-pss-sha256', publicKey: `${hex.rsa}00` }, 'canonical DER'],
  [
    'a small RSA key',
    { algorithm: 'rsa-pss-sha256', publicKey: toHex(makeRsaKey(1024).spki) },
    'is of 1024 bits',
  ],
  [
    'a small exponent',
    { algorithm: 'rsa-pss-sha256', publicKey: toHex(makeRsaKey(2048, 3n).spki) },
    'an exponent',
  ],
  ['no rpId', withPasskey({ rpId: undefined }), 'no rpId'],
  ['an rpId in capitals', withPasskey({ rpId: 'Approve.example' }), 'no rpId'],
  ['an rpId that is an origin', withPasskey({ rpId: 'https://approve.example' }), 'no rpId'],
  ['an empty rpId', withPasskey({ rpId: '' }), 'no rpId'],
  ['no origins', withPasskey({ origins: [] }), 'no list of 1 to 8 origins'],
  [
    'nine',
    withPasskey({ origins: Array.from({ length: 9 }, (_, at) => `https://a${at}.example`) }),
    '1 to 8',
  ],
  ['an origin that is none', withPasskey({ origins: ['approve.example'] }), 'an origin'],
  ['a path', withPasskey({ origins: ['https://approve.example/'] }), 'an origin'],
  ['the port of the scheme', withPasskey({ origins: ['https://approve.example:443'] }), 'an origin'],
  ['a port that is none', withPasskey({ origins: ['https://approve.example:65536'] }), 'an origin'],
  ['a padded port', withPasskey({ origins: ['https://approve.example:0443'] }), 'an origin'],
  ['http elsewhere', withPasskey({ origins: ['http://approve.example'] }), 'an origin'],
  ['http at what begins like localhost', withPasskey({ origins: ['http://localhost.example'] }), 'an origin'],
  ['an origin in capitals', withPasskey({ origins: ['https://Approve.example'] }), 'an origin'],
  ['somebody’s name', withPasskey({ origins: ['https://me@approve.example'] }), 'an origin'],
  ['a wildcard', withPasskey({ origins: ['https://*.example'] }), 'an origin'],
  ['an origin that is no text', withPasskey({ origins: [1] }), 'an origin'],
  [
    'two that do not ascend',
    withPasskey({ origins: ['https://b.example', 'https://a.example'] }),
    'do not ascend',
  ],
  ['the same twice', withPasskey({ origins: ['https://a.example', 'https://a.example'] }), 'do not ascend'],
  ['a passkey’s other field', withPasskey({ user: 'x' }), 'other fields'],
]
const wellFormed: readonly unknown[] = [
  ...honest.slice(0, 4).map(({ approver }) => printApprover(approver)),
  ...['http://localhost', 'http://localhost:8080', 'https://localhost', 'https://a.b.example:65535'].map(
    origin => withPasskey({ origins: [origin] }),
  ),
  withPasskey({ rpId: 'localhost' }),
  withPasskey({ rpId: `${'a'.repeat(63)}.${'b-c'.repeat(21)}` }),
]

describe('a set of approvers', () => {
  it('has approvers of every algorithm, each as it was written', () => {
    const list = honest.slice(0, 4).map(({ approver }) => printApprover(approver))
    const parsed = parseApproverSet(list, 2)
    if (typeof parsed === 'string') throw new Error(parsed)
    expect(parsed.quorum).toBe(2)
    expect(parsed.approvers.map(printApprover)).toEqual(list)
    expect(parsed.approvers[3]).toMatchObject({ rpId: 'approve.example' })
  })

  it.each(malformed)('has none with %s', (_, approver, says) => {
    const fields = JSON.parse(JSON.stringify(approver))
    const ed25519 = { algorithm: 'ed25519', publicKey: hex.ed25519 }
    expect(parseApproverSet([ed25519, fields], 1)).toContain(says)
  })

  it.each(wellFormed)('has %o', approver => {
    expect(typeof parseApproverSet([approver], 1)).toBe('object')
  })

  it('has no key twice, also not under two algorithms', () => {
    const plain = { algorithm: 'ecdsa-p256-sha256', publicKey: passkeyJson.publicKey }
    expect(parseApproverSet([passkeyJson, plain], 1)).toBe('a key is listed twice')
    expect(parseApproverSet([passkeyJson, withPasskey({ rpId: 'other.example' })], 1)).toBe(
      'a key is listed twice',
    )
  })

  it.each([-1, 0, 2, 1.5, '1', null])('has no quorum of %j of one', quorum => {
    expect(parseApproverSet([passkeyJson], quorum)).toContain('a quorum must be')
  })
})

describe('a key id', () => {
  it('is the hash of algorithm, key and what a passkey is for', () => {
    const publicKey = new Uint8Array(65).fill(4)
    const origins = ['https://a.example', 'https://b.example']
    const preimage = Buffer.concat([
      Buffer.from('holdfast/approver/v1\0webauthn-es256\0'),
      publicKey,
      Buffer.from('\0{"origins":["https://a.example","https://b.example"],"rpId":"a.example"}'),
    ])
    const approver: Approver = { algorithm: 'webauthn-es256', publicKey, rpId: 'a.example', origins }
    expect(keyIdOf(approver)).toBe(createHash('sha256').update(preimage).digest('hex'))
    expect(approverId(approver, pureVerifyCrypto)).toBe(keyIdOf(approver))
    const others: Approver[] = [
      { ...approver, rpId: 'b.example' },
      { ...approver, origins: origins.slice(1) },
      { algorithm: 'ecdsa-p256-sha256', publicKey },
      { algorithm: 'rsa-pss-sha256', publicKey },
    ]
    expect(new Set([approver, ...others].map(keyIdOf)).size).toBe(5)
  })
})

describe('a private key', () => {
  it.each(['ed25519', 'ecdsa-p256-sha256', 'rsa-pss-sha256'] as const)('of %s is read back', algorithm => {
    const key = generatePrivateKey(algorithm)
    const again = parsePrivateKey(key.toPem())
    expect(again).toMatchObject({ algorithm, publicKey: key.publicKey })
    expect(verifyApprover(key, message, again.sign(message))).toBe(true)
  })

  it('of RSA is refused where no approver may have it', () => {
    const pem = (bits: number, exponent?: bigint): string =>
      makeRsaKey(bits, exponent).key.export({ format: 'pem', type: 'pkcs8' }).toString()
    expect(parsePrivateKey(pem(2048)).algorithm).toBe('rsa-pss-sha256')
    expect(() => parsePrivateKey(pem(1024))).toThrow('is of 1024 bits')
    expect(() => parsePrivateKey(pem(2048, 3n))).toThrow('an exponent')
  })
})

describeWith('openssl', 'a private key by openssl', () => {
  it('of P-256 is read whatever form its public key has', async () => {
    const made = ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']
    const { stdout: pem } = await run('openssl', made)
    const compressed = ['pkey', '-ec_conv_form', 'compressed']
    const { stdout: again } = await run('openssl', compressed, { input: pem })
    expect(again).not.toBe(pem)
    expect(parsePrivateKey(again).publicKey).toEqual(parsePrivateKey(pem).publicKey)
    expect(parsePrivateKey(again).publicKey).toHaveLength(65)
  })

  it('of another kind is refused', async () => {
    for (const options of [
      ['-algorithm', 'X25519'],
      ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
      ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:secp256k1'],
      ['-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048'],
    ]) {
      const { stdout } = await run('openssl', ['genpkey', ...options])
      expect(() => parsePrivateKey(stdout)).toThrow('no signature algorithm for a key of type')
    }
  })
})

function genesisOf(approver: Approver, spare: readonly unknown[] = []): Envelope {
  return createDocument(genesisPayloadType, {
    approvers: [printApprover(approver)],
    created: '2026-01-02T03:04:05.678Z',
    name: 'Example',
    nonce: toHex(randomBytes(16)),
    quorum: 1,
    recovery: { approvers: spare as Json[], quorum: spare.length },
    v: 1,
  })
}

/** A trust file of a tenant whose genesis is signed by these bytes. */
function trustOf(
  { approver, sign }: Pick<ApproverAttack, 'approver' | 'sign'>,
  ...spare: readonly unknown[]
): string {
  const document = genesisOf(approver, spare)
  const signature = sign(pae(document.payloadType, document.payload))
  return JSON.stringify({
    format: 'holdfast/trust/v1',
    tenant: documentId(document),
    genesis: printEnvelope({ ...document, signatures: [{ keyid: '', signature }] }),
    regions: {},
  })
}

describe('a genesis', () => {
  it.each(honest)('is signed by $name', each => {
    for (const crypto of Object.values(adapters))
      expect(typeof parseTrust(trustOf(each), crypto)).toBe('object')
  })

  it.each(approverAttacks)('is not signed by $name', attack => {
    for (const crypto of Object.values(adapters))
      expect(parseTrust(trustOf(attack), crypto)).toBe('the genesis is not signed by its approver 1')
  })
})

describeWith('python3', 'the verifier in Python', () => {
  const ask = async (trusts: readonly string[]): Promise<boolean[]> => {
    const input = trusts.map(trust => `${JSON.stringify({ trust, files: [] })}\n`).join('')
    const program = join(root, 'test/independent/holdfast_verify.py')
    const asked = await run('python3', ['-B', program, '--json-lines'], { input })
    expect(asked.stderr).toBe('')
    return asked.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line).verified)
  }

  it('says the same of each signature', async () => {
    const cases = [...honest, ...approverAttacks]
    const said = await ask(cases.map(each => trustOf(each)))
    expect(said.map((verified, at) => [cases[at]!.name, verified])).toEqual(
      cases.map(({ name }, at) => [name, at < honest.length]),
    )
  })

  it('says the same of each approver', async () => {
    const signer = honest[0]!
    const json = (approver: unknown): unknown => JSON.parse(JSON.stringify(approver))
    const good = await ask(wellFormed.map(approver => trustOf(signer, json(approver))))
    expect(good).toEqual(wellFormed.map(() => true))
    const bad = await ask(malformed.map(([, approver]) => trustOf(signer, json(approver))))
    expect(bad.map((verified, at) => [malformed[at]![0], verified])).toEqual(
      malformed.map(([name]) => [name, false]),
    )
  })

  it('says the same of damaged signatures and keys', async () => {
    const flip = (bytes: Uint8Array): Uint8Array => {
      const at = randomBytes(2).readUInt16BE() % bytes.length
      return bytes.with(at, bytes[at]! ^ (1 << (randomBytes(1)[0]! & 7)))
    }
    const signer = honest[0]!
    const trusts = honest
      .slice(0, 5)
      .flatMap(({ approver, sign }) =>
        Array.from({ length: 20 }, () => [
          trustOf({ approver, sign: signed => flip(sign(signed)) }),
          trustOf(signer, printApprover({ ...approver, publicKey: flip(approver.publicKey) })),
        ]).flat(),
      )
    const ours = trusts.map(trust => typeof parseTrust(trust, pureVerifyCrypto) === 'object')
    expect(trusts.map(trust => typeof parseTrust(trust, nodeVerifyCrypto) === 'object')).toEqual(ours)
    expect(await ask(trusts)).toEqual(ours)
    expect(ours).toContain(true)
    expect(ours).toContain(false)
  })
})
