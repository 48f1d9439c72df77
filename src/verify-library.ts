/**
 * `import … from 'holdfast/verify'`: the verifier as a library for Node, browsers and workers, with cryptography in
 * plain JavaScript that can be passed wherever a `VerifyCrypto` is asked for.
 */
export { pureVerifyCrypto } from './crypto/pure-verify-crypto.ts'
export * from './verify/index.ts'
