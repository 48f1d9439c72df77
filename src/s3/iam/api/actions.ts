/** Every action of IAM and STS that is there, by name. */
import { accessKeyActions } from './access-keys.ts'
import type { IamAction } from './action.ts'
import { entityActions } from './entities.ts'
import { groupActions } from './groups.ts'
import { inlinePolicyActions } from './inline-policies.ts'
import { managedPolicyActions } from './managed-policies.ts'
import { stsActions } from './sts.ts'
import { tagActions } from './tags.ts'

export const iamActions: ReadonlyMap<string, IamAction> = new Map(
  [
    ...entityActions,
    ...tagActions,
    ...accessKeyActions,
    ...inlinePolicyActions,
    ...managedPolicyActions,
    ...groupActions,
    ...stsActions,
  ].map(action => [action.name, action]),
)

export const versions = { iam: '2010-05-08', sts: '2011-06-15' } as const
