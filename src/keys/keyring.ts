/** The embedded key holder's keys: one file on the customer's side, mode 0600. */
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes } from '../core/ids.ts'
import { writeFileDurable } from '../store/durable-file.ts'

const keyringSchema = z.strictObject({
  format: z.literal('holdfast/keyring/v1'),
  keys: z.record(
    z.string(),
    z.strictObject({ key: z.base64().length(44), created: z.string(), enabled: z.boolean() }),
  ),
})

export interface Sealed {
  readonly ciphertext: Buffer
  readonly initializationVector: Buffer
  readonly authenticationTag: Buffer
}

export interface Keyring {
  has(keyId: string): boolean
  enabled(keyId: string): boolean
  encrypt(keyId: string, plaintext: Uint8Array, aad: Uint8Array): Sealed
  /** `null` when it does not authenticate; which part did not is never said. */
  decrypt(keyId: string, sealed: Sealed, aad: Uint8Array): Buffer | null
}

export async function createKeyring(
  path: string,
  keyId: string,
  created: string,
  randomBytes: RandomBytes,
): Promise<void> {
  if (existsSync(path)) throw new HoldfastError('conflict', `${path} exists; a keyring is never written over`)
  const key = Buffer.from(randomBytes(32)).toString('base64')
  const keyring = { format: 'holdfast/keyring/v1', keys: { [keyId]: { key, created, enabled: true } } }
  await writeFileDurable(path, Buffer.from(`${JSON.stringify(keyring, null, 2)}\n`), 0o600)
}

export function loadKeyring(path: string, randomBytes: RandomBytes): Keyring {
  const parsed = keyringSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  if (!parsed.success)
    throw new HoldfastError('bad-input', `${path} is no keyring: ${z.prettifyError(parsed.error)}`)
  const keys = new Map(
    Object.entries(parsed.data.keys).map(([id, { key, enabled }]) => [
      id,
      { key: Buffer.from(key, 'base64'), enabled },
    ]),
  )
  const keyOf = (keyId: string): Buffer => {
    const found = keys.get(keyId)
    if (found === undefined) throw new HoldfastError('not-found', `no key ${keyId}`)
    return found.key
  }
  return {
    has: keyId => keys.has(keyId),
    enabled: keyId => keys.get(keyId)?.enabled === true,

    encrypt(keyId, plaintext, aad) {
      const initializationVector = Buffer.from(randomBytes(12))
      const cipher = createCipheriv('aes-256-gcm', keyOf(keyId), initializationVector)
      cipher.setAAD(aad)
      const ciphertext = cipher.update(plaintext)
      cipher.final()
      return { ciphertext, initializationVector, authenticationTag: cipher.getAuthTag() }
    },

    decrypt(keyId, sealed, aad) {
      if (sealed.initializationVector.length !== 12 || sealed.authenticationTag.length !== 16) return null
      const decipher = createDecipheriv('aes-256-gcm', keyOf(keyId), sealed.initializationVector)
      decipher.setAAD(aad)
      decipher.setAuthTag(sealed.authenticationTag)
      const plaintext = decipher.update(sealed.ciphertext)
      try {
        decipher.final()
      } catch {
        return null
      }
      return plaintext
    },
  }
}
