declare const minted: unique symbol

/**
 * Proof that policy let exactly this operation through. Functions that store, send or delete take one, so an
 * unchecked write does not compile. Only `decide.ts` makes it (the layer check looks for other casts).
 */
export interface Authorized<Op> {
  readonly op: Op
  /** What must be done along with the operation. */
  readonly obligations: Obligations
  readonly [minted]: true
}

export interface Obligations {
  /** The answer leaves the country: an entry must be durable before its first byte. */
  readonly enterRead: boolean
}

/** A refusal is a value: which rule, why in words, and what would make it lawful. */
export interface Refusal {
  readonly refused: true
  readonly rule: RuleId
  readonly message: string
}

export type RuleId =
  | 'authentication-required'
  | 'not-the-owner'
  | 'policy-denies'
  | 'policy-does-not-allow'
  | 'operator-needs-an-instruction'
  | 'copy-leaves-the-region'
  | 'copy-leaves-the-country'
  | 'client-place-unknown'
  | 'data-class-needs-review'
  | 'region-not-joined'
  | 'transfer-needs-an-instruction'
  | 'instruction-not-approved'
  | 'duties-not-separate'
  | 'approvers-differ'
  | 'approvers-stale'
  | 'residency-refuses'
  | 'instruction-not-yet-valid'
  | 'instruction-expired'
  | 'instruction-revoked'
  | 'instruction-out-of-scope'
  | 'instruction-over-limit'
  | 'law-refuses'
  | 'class-would-be-lost'
  | 'versions-would-be-lost'
  | 'lock-would-be-lost'
  | 'acl-would-be-lost'
  | 'list-changed'
  | 'law-needs-review'
  | 'tenant-policy-refuses'
  | 'outbound-not-registered'
  | 'lifecycle-not-configured'
  | 'logging-not-configured'
  | 'webhook-place-unknown'
  | 'webhook-leaves-the-country'
  | 'remote-place-unknown'
  | 'remote-place-contradicts'
  | 'remote-takes-tls'
  | 'backup-leaves-the-country'
  | 'witness-takes-https'

export function isRefusal(decision: object): decision is Refusal {
  return 'refused' in decision
}
