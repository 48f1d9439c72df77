/**
 * The port to whoever holds a tenant's keys.
 *
 * - `wrap` and `unwrap` MUST be answered by the holder each time; an implementation MUST NOT cache keys (leases do).
 * - A holder that cannot be reached rejects with `key-holder-unavailable`, one that says no with
 *   `key-holder-refused`. A caller MUST NOT retry a refusal.
 * - `reason` reaches the holder's journal as it is.
 */
export interface KeyHolder {
  wrap(plaintext: Uint8Array, binding: Uint8Array, reason: KeyUse): Promise<WrappedKey>
  unwrap(wrapped: WrappedKey, binding: Uint8Array, reason: KeyUse): Promise<Buffer>
}

/** What the holder's `encrypt` answered; base64, kept as it came. */
export interface WrappedKey {
  readonly holderKeyId: string
  readonly ciphertext: string
  readonly initializationVector: string
  readonly authenticationTag: string
}

/** After Google's key access justification codes, cut to what Holdfast does (facts: the model for `reason`). */
export type KeyReason = 'bucket-created' | 'bucket-rekeyed' | 'customer-initiated-access'

export interface KeyUse {
  readonly reason: KeyReason
  readonly bucketKeyId: string
  readonly instruction: string | null
}
