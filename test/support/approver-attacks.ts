/** What somebody without the approver's consent could put into an envelope, and which check of it is in the way. */
import { concat, fromUtf8, toBase64, utf8 } from '../../src/core/bytes.ts'
import type { Approver } from '../../src/crypto/approver.ts'
import { generatePrivateKey } from '../../src/crypto/signatures.ts'
import { type AssertionChange, createAuthenticator, flags } from './authenticator.ts'

export const keys = {
  ed25519: generatePrivateKey('ed25519'),
  p256: generatePrivateKey('ecdsa-p256-sha256'),
  rsa: generatePrivateKey('rsa-pss-sha256'),
}
export const passkey = createAuthenticator()
const stranger = createAuthenticator()
const plain: Approver = { algorithm: 'ecdsa-p256-sha256', publicKey: passkey.key.publicKey }

export interface ApproverAttack {
  readonly name: string
  readonly approver: Approver
  readonly sign: (message: Uint8Array) => Uint8Array
  /** The check in `src/crypto/webauthn.ts`, and what it becomes when it is taken out: the attack goes through then. */
  readonly check?: { readonly find: string; readonly replace: string }
}

const asserted = (name: string, change: AssertionChange, find?: string, replace = ''): ApproverAttack => ({
  name,
  approver: passkey.approver,
  sign: message => passkey.assert(message, change),
  ...(find !== undefined && { check: { find, replace } }),
})

const client = (name: string, change: Readonly<Record<string, unknown>>, find: string): ApproverAttack =>
  asserted(name, { client: change }, find)
const twice = (name: string, extra: string): ApproverAttack =>
  asserted(
    name,
    { clientText: right => right.replace('{', `{${extra},`) },
    'new Set(names).size === names.length ? value : null',
    'value',
  )
const reshaped = (name: string, text: (right: string) => string): ApproverAttack =>
  asserted(name, { text }, 'Object.keys(fields).join() !== assertionFields', 'false')

const type = "if (client.type !== 'webauthn.get') return false"
const origin = "if (typeof client.origin !== 'string' || !origins.includes(client.origin)) return false"
const challenge = 'if (client.challenge !== challenge) return false'
const crossOrigin = 'if (client.crossOrigin !== undefined && client.crossOrigin !== false) return false'
const rpId = 'if (!equalBytes(data.subarray(0, 32), rpIdHash)) return false'
const length = 'has(flag.extensions) === data.length > headBytes'
const present = flags.present | flags.verified
const emptyMap = new Uint8Array([0xa0])

/** Checks of `webauthn.ts`, each with what it is there against. */
const assertions: readonly ApproverAttack[] = [
  client('a passkey that is being made', { type: 'webauthn.create' }, type),
  client('another type of client data', { type: 'payment.get' }, type),
  client('no type', { type: undefined }, type),
  client('an assertion for something else', { challenge: 'AAAA' }, challenge),
  client('no challenge', { challenge: undefined }, challenge),
  asserted(
    'a padded challenge',
    { clientText: right => right.replace(/("challenge":"[^"]+)/, '$1=') },
    challenge,
  ),
  client('another site', { origin: 'https://approve.example.evil.example' }, origin),
  client('a site under it', { origin: 'https://sub.approve.example' }, origin),
  client('another port', { origin: 'https://approve.example:444' }, origin),
  client('without TLS', { origin: 'http://approve.example' }, origin),
  client('an origin in another spelling', { origin: 'https://approve.example/' }, origin),
  client('a list of origins', { origin: ['https://approve.example'] }, origin),
  client('no origin', { origin: undefined }, origin),
  client('within another page', { crossOrigin: true }, crossOrigin),
  client('within another page, in other words', { crossOrigin: 'true' }, crossOrigin),
  asserted(
    'within a page that is named',
    { client: { topOrigin: 'https://evil.example' } },
    'return client.topOrigin === undefined',
    'return true',
  ),
  twice('two types', '"type":"webauthn.create"'),
  twice('two types, one escaped', '"\\u0074ype":"webauthn.create"'),
  twice('two challenges', '"challenge":"AAAA"'),
  twice('two origins', '"origin":"https://evil.example"'),
  twice('twice whether within another page', '"crossOrigin":true'),
  asserted(
    'long client data',
    { client: { padding: 'x'.repeat(4096) } },
    'if (bytes.length > maxClientDataBytes) return false',
  ),
  asserted('another domain', { rpId: 'evil.example' }, rpId),
  asserted('a domain under it', { rpId: 'www.approve.example' }, rpId),
  asserted(
    'data of 36 bytes',
    { authenticatorData: right => right.subarray(0, 36) },
    'if (data.length < headBytes) return false',
  ),
  asserted('nobody present', { flags: flags.verified }, 'if (!has(flag.userPresent)) return false'),
  asserted('nobody verified', { flags: flags.present }, 'if (!has(flag.userVerified)) return false'),
  asserted(
    'backed up and not eligible for it',
    { flags: present | flags.backedUp },
    'if (has(flag.backedUp) && !has(flag.backupEligible)) return false',
  ),
  asserted(
    'a credential in it',
    { flags: present | flags.credential },
    'if (has(flag.attestedCredential)) return false',
  ),
  asserted('extensions that no flag tells of', { tail: emptyMap }, length, 'true'),
  asserted('extensions that are not there', { flags: present | flags.extensions }, length, 'true'),
  reshaped('a field too many', right => right.replace('}', ',"userHandle":""}')),
  asserted(
    'white space',
    { text: right => `${right}\n` },
    'readObject(bytes, parseCanonicalJson)',
    'readObject(bytes, text => JSON.parse(text))',
  ),
  asserted(
    'a field twice',
    { text: right => right.replace('{', '{"authenticatorData":"",') },
    'readObject(bytes, parseCanonicalJson)',
    'readObject(bytes, text => JSON.parse(text))',
  ),
  {
    name: 'another passkey of the same site',
    approver: passkey.approver,
    sign: message => stranger.assert(message),
    check: { find: 'return crypto.verifyP256(passkey.publicKey, signed, signature)', replace: 'return true' },
  },
  asserted(
    'a signature over the client data alone',
    { signed: right => right.subarray(37) },
    'concat(authenticatorData, crypto.sha256(clientDataJSON))',
    'crypto.sha256(clientDataJSON)',
  ),
  asserted(
    'a signature over the authenticator data alone',
    { signed: right => right.subarray(0, 37) },
    'concat(authenticatorData, crypto.sha256(clientDataJSON))',
    'authenticatorData',
  ),
]

/** What no single line is in the way of. */
const confusions: readonly ApproverAttack[] = [
  asserted('client data that is a list', { clientText: right => `[${right}]` }),
  asserted('client data that is nothing', { clientText: () => '' }),
  asserted('client data that is null', { clientText: () => 'null' }),
  asserted('client data with a byte order mark', { clientText: right => `\ufeff${right}` }),
  asserted('client data with something after it', { clientText: right => `${right}{}` }),
  asserted('client data with a comment', { clientText: right => right.replace('{', '{/**/') }),
  asserted('client data that is not UTF-8', {
    clientText: right => concat(utf8(right.slice(0, -1)), utf8(',"x":"'), new Uint8Array([0xff]), utf8('"}')),
  }),
  asserted('its fields in a nested object', { clientText: right => `{"clientData":${right}}` }),
  asserted('no data of an authenticator', { authenticatorData: () => new Uint8Array() }),
  asserted('DER with a byte that trails', { der: right => concat(right, new Uint8Array(1)) }),
  asserted('no signature', { der: () => new Uint8Array() }),
  asserted('a field too few', { text: right => right.replace(/,"signature":.*/, '}') }),
  asserted('a field that is null', { text: right => right.replace(/"signature":.*/, '"signature":null}') }),
  asserted('base64 of the other alphabet', { text: right => right.replace(/[+/=]/g, '_') }),
  asserted('fields in another order', {
    text: right => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(right)).reverse())),
  }),
  asserted('the assertion in base64', { text: right => toBase64(utf8(right)) }),
  asserted('nothing', { text: () => '' }),
  {
    name: 'a signature of the passkey without WebAuthn',
    approver: passkey.approver,
    sign: message => passkey.key.sign(message),
  },
  {
    name: 'an assertion where a plain key is listed',
    approver: plain,
    sign: message => passkey.assert(message),
  },
  {
    name: 'the signature of an assertion where a plain key is listed',
    approver: plain,
    sign: message => Buffer.from(JSON.parse(fromUtf8(passkey.assert(message))).signature, 'base64'),
  },
  ...Object.values(keys).flatMap(listed =>
    Object.values(keys)
      .filter(signer => signer !== listed)
      .map(signer => ({
        name: `a signature by ${signer.algorithm} where ${listed.algorithm} is listed`,
        approver: { algorithm: listed.algorithm, publicKey: listed.publicKey },
        sign: (message: Uint8Array) => signer.sign(message),
      })),
  ),
  ...Object.values(keys).map(listed => ({
    name: `another key of ${listed.algorithm}`,
    approver: { algorithm: listed.algorithm, publicKey: listed.publicKey },
    sign: (message: Uint8Array) => generatePrivateKey(listed.algorithm).sign(message),
  })),
]

export const approverAttacks: readonly ApproverAttack[] = [...assertions, ...confusions]

/** What honest browsers, authenticators and keys make. */
export const honest: readonly ApproverAttack[] = [
  ...Object.values(keys).map(key => ({
    name: key.algorithm,
    approver: { algorithm: key.algorithm, publicKey: key.publicKey },
    sign: (message: Uint8Array) => key.sign(message),
  })),
  asserted('a passkey', {}),
  asserted('a passkey that is synchronised', { flags: present | flags.eligible | flags.backedUp }),
  asserted('a passkey that could be', { flags: present | flags.eligible }),
  asserted('a bit that means nothing yet', { flags: present | 0x02 | 0x20 }),
  asserted('extensions', { flags: present | flags.extensions, tail: emptyMap }),
  asserted('its other origin', { client: { origin: 'https://www.approve.example:8443' } }),
  asserted('a browser that says nothing of other pages', { client: { crossOrigin: undefined } }),
  asserted('fields that nobody knows', {
    client: {
      other_keys_can_be_added_here: 'do not compare clientDataJSON against a template',
      nested: { type: 'x', list: [{ challenge: 1 }, 'type', '"', '\\'] },
      'a":"b': 1,
    },
  }),
  asserted('numbers that nobody can hold', {
    clientText: right => right.replace('}', `,"a":1e999,"b":-0.0e-5,"c":${'9'.repeat(200)}}`),
  }),
  asserted('a surrogate without its other half', {
    clientText: right => right.replace('}', ',"\\ud800":"\\udc00"}'),
  }),
  asserted('lists in lists', {
    clientText: right => right.replace('}', `,"a":${'['.repeat(1500)}${']'.repeat(1500)}}`),
  }),
  asserted('white space in the client data', {
    clientText: right => JSON.stringify(JSON.parse(right), null, 2),
  }),
]
