/**
 * The public face of the verifier. It runs offline, in Node and in a browser; cryptography is passed in
 * (`VerifyCrypto`). Where a function returns `T | string`, the string says what is wrong.
 */

export {
  type ChainLink,
  checkedDrafter,
  followChain,
  genesisSet,
  parseLinks,
} from './approver-chain.ts'
export {
  type ApproverRules,
  type ApproverSet,
  approversWaitMs,
  instructionKinds,
  noRules,
  parseRules,
  parseSetBody,
  quorumFor,
  type SetBody,
} from './approver-set.ts'
export { type Approver, approverSigned, parseApproverSet, printApprover } from './approvers.ts'
export { type OpenedCheckpoint, openCheckpoint } from './checkpoint.ts'
export { type Checkpoint, parseCheckpoint } from './checkpoint-text.ts'
export { type Cosigned, cosignedMessage, findCosignature, maxAheadSeconds } from './cosignature.ts'
export { type Delegation, openDelegation, openWithdrawal } from './delegation.ts'
export { type ErasureJudge, orderedErasure } from './erasure.ts'
export { type Genesis, openGenesis } from './genesis.ts'
export { isApproved, type Judgement, judge, type Order } from './judge.ts'
export { approverId } from './key-id.ts'
export {
  chainKeyCommitment,
  commitmentOf,
  commitmentOfText,
  encodeLeaf,
  type Leaf,
  labelOf,
  parseLeaf,
} from './leaf.ts'
export { followRotations, type LogKeySpan, type LogKeys, singleKey } from './log-keys.ts'
export {
  type ConsistencyClaim,
  consistencyHolds,
  type InclusionClaim,
  inclusionHolds,
  leafHash,
  nodeHash,
} from './merkle.ts'
export { noteFault, parseNote, type SignedNote } from './note.ts'
export { openOrder, type SignedOrder } from './order-document.ts'
export { type EntryPayload, parsePayload } from './payload.ts'
export { isPromise, type PromiseVerdict, verifyPromise } from './promise.ts'
export { PromiseBook, type PromiseState } from './promise-book.ts'
export { ownWitness, type QuorumVerdict, quorumVerdict, witnessedAt } from './quorum.ts'
export { type ReceiptVerdict, verifyReceipt } from './receipt.ts'
export {
  type CheckedRow,
  checkStatement,
  type StatementCheck,
  type StatementFacts,
  type StatementVerdict,
  verifyStatement,
} from './statement.ts'
export {
  type PolicyGroup,
  type PolicyRule,
  type PolicyWitness,
  parsePolicy,
  policyLimits,
  type TlogPolicy,
} from './tlog-policy.ts'
export { parseTrust, type Trust, type TrustedRegion } from './trust.ts'
export { documentIdOf, openVerdict, type Verdict, type VerdictKind } from './verdict-document.ts'
export {
  type NoteKeyKind,
  parseTypedVerifierKey,
  parseVerifierKey,
  printVerifierKey,
  type TypedVerifierKey,
  type VerifierKey,
} from './verifier-key.ts'
export type { VerifyCrypto } from './verify-crypto.ts'
