/** Who asks, as operations and policies see them. */
import { anonymousTenant, type RegionId } from '../../core/ids.ts'
import { type AccessKeyRow, type Account, accountOf } from '../../store/tenants.ts'
import type { Identity } from '../operation.ts'

const nobody: Account = {
  accountId: 'anonymous',
  canonicalId: 'anonymous',
  displayName: 'anonymous',
  email: null,
}

export function anonymousIdentity(home: RegionId): Identity {
  return {
    tenant: anonymousTenant,
    accessKeyId: 'anonymous',
    home,
    account: nobody,
    caller: null,
    isSession: false,
  }
}

const roots = new WeakMap<AccessKeyRow, Identity>()

/** The row cache hands out the same row while it stands, so what is made of it is made once. */
export function rootIdentity(row: AccessKeyRow): Identity {
  let identity = roots.get(row)
  if (identity === undefined) {
    identity = makeRoot(row)
    roots.set(row, identity)
  }
  return identity
}

function makeRoot(row: AccessKeyRow): Identity {
  const { tenant, accessKeyId, home } = row
  const account = accountOf(row)
  const { accountId, canonicalId } = account
  const arn = `arn:aws:iam::${accountId}:root`
  const policy = {
    kind: 'root',
    accountId,
    canonicalId,
    arn,
    arns: [arn, `arn:aws:iam::${accountId}:user/${canonicalId}`],
    userId: accountId,
    userName: null,
  } as const
  return {
    tenant,
    accessKeyId,
    home,
    account,
    caller: { tenant, policy, identity: null, session: null },
    isSession: false,
  }
}
