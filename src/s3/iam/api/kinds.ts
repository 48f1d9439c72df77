/** Users, groups and roles are handled by the same code; what differs is in this table. */
import { type EntityKind, findEntity } from '../../../store/iam.ts'
import { entityArn, type IamAction, type IamContext } from './action.ts'
import { entityName, groupName, type TextRule } from './params.ts'

export interface KindSpec {
  readonly kind: EntityKind
  /** `User`, as it is part of the names of actions and parameters. */
  readonly title: string
  readonly rule: TextRule
  readonly idPrefix: string
}

export const kindSpecs: readonly KindSpec[] = [
  { kind: 'user', title: 'User', rule: entityName, idPrefix: 'AIDA' },
  { kind: 'group', title: 'Group', rule: groupName, idPrefix: 'AGPA' },
  { kind: 'role', title: 'Role', rule: entityName, idPrefix: 'AROA' },
]

/** Of what is there with its path; of what is not, as if it had none. */
export function aboutEntity({ kind, title, rule }: KindSpec): NonNullable<IamAction['resource']> {
  return async context => {
    const name = nameOf(context, title, rule)
    const found = await findEntity(context.catalog, context.tenant, kind, name)
    return entityArn(context, found?.row ?? { kind, path: '/', name })
  }
}

/** A user who names nobody speaks of itself. */
export function nameOf({ params, caller }: IamContext, title: string, rule: TextRule): string {
  const own = title === 'User' ? caller.policy.userName : null
  return own === null ? params.text(`${title}Name`, rule) : (params.optional('UserName', rule) ?? own)
}
