/**
 * The port to cryptography, so that the verifier runs wherever there is SHA-256: Node, a browser, a worker.
 *
 * Contract:
 * - All MUST be synchronous: a statement takes several hashes a row, and awaiting each costs more than it.
 * - `verifyEd25519` MUST follow RFC 8032 section 5.1.7 (S below the group order, or signatures could be altered and
 *   still hold) and MUST NOT throw: bytes that are no key or no signature are `false`.
 * - `verifyP256` MUST hash with SHA-256, take no other key than an uncompressed point on the curve (65 bytes) and no other
 *   signature than an ECDSA-Sig-Value in DER, and MUST accept any s below the order of the group. MUST NOT throw.
 * - `verifyRsaPss` MUST take no other key than a SubjectPublicKeyInfo in DER that `rsaKeyFault` finds no fault with, and
 *   hash with SHA-256, for MGF1 too, with a salt of 32 bytes. MUST NOT throw.
 * - `verifyMlDsa44` MAY be left out where there is no ML-DSA-44 (FIPS 204, pure, with an empty context); then
 *   cosignatures of that kind count for nothing. MUST NOT throw either.
 */
export interface VerifyCrypto {
  sha256(bytes: Uint8Array): Uint8Array
  /** The same over bytes that come one after the other; `digest` is called once, at the end. */
  sha256Stream(): Sha256Stream
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  verifyP256(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  verifyRsaPss(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean
  readonly verifyMlDsa44?: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) => boolean
}

export interface Sha256Stream {
  update(bytes: Uint8Array): void
  digest(): Uint8Array
}
