/** Policies that stand in a user, a group or a role itself. */
import { sha256Hex, uriEncode } from '../../../crypto/sigv4.ts'
import { parsePolicy } from '../../../policy/document.ts'
import { changeEntity, demandEntity, type IamAction, pageOf } from './action.ts'
import { IamError } from './iam-error.ts'
import { aboutEntity, kindSpecs } from './kinds.ts'
import { documentRule, policyName } from './params.ts'

/** Of all inline policies of one entity together, in bytes. */
const maxBytes = { user: 2048, group: 5120, role: 10_240 }

/** The document as it came, checked. */
export function identityPolicyOf(text: string): string {
  const policy = parsePolicy(text, 'identity')
  if (typeof policy === 'string') throw new IamError('MalformedPolicyDocument', policy)
  return text
}

export const inlinePolicyActions: readonly IamAction[] = kindSpecs.flatMap((spec): IamAction[] => {
  const { kind, title, rule } = spec
  const common = { service: 'iam', resource: aboutEntity(spec) } as const
  const noSuchPolicy = (entity: string, name: string): IamError =>
    new IamError('NoSuchEntity', `The ${kind} policy with name ${name} of ${entity} cannot be found.`)
  return [
    {
      ...common,
      name: `Put${title}Policy`,
      run: async (context, authorized) => {
        const { params } = context
        const entity = params.text(`${title}Name`, rule)
        const name = params.text('PolicyName', policyName)
        const document = identityPolicyOf(params.text('PolicyDocument', documentRule))
        const change = { action: `Put${title}Policy`, sha256: sha256Hex(document) }
        await changeEntity(context, authorized, kind, entity, change, row => {
          const inline = { ...row.inline, [name]: document }
          // White space does not count, as in IAM.
          const bytes = Object.values(inline).join('').replace(/\s/g, '').length
          if (bytes > maxBytes[kind])
            throw new IamError(
              'LimitExceeded',
              `Maximum policy size of ${maxBytes[kind]} bytes exceeded for ${kind} ${entity}`,
            )
          return { ...row, inline }
        })
        return null
      },
    },
    {
      ...common,
      name: `Get${title}Policy`,
      run: async context => {
        const entity = context.params.text(`${title}Name`, rule)
        const name = context.params.text('PolicyName', policyName)
        const { row } = await demandEntity(context, kind, entity)
        const document = Object.hasOwn(row.inline, name) ? row.inline[name] : undefined
        if (document === undefined) throw noSuchPolicy(entity, name)
        return { [`${title}Name`]: row.name, PolicyName: name, PolicyDocument: uriEncode(document, false) }
      },
    },
    {
      ...common,
      name: `List${title}Policies`,
      run: async context => {
        const { row } = await demandEntity(context, kind, context.params.text(`${title}Name`, rule))
        const page = pageOf(context.params, Object.keys(row.inline).sort(), name => name)
        return { PolicyNames: { member: page.items }, ...page.more }
      },
    },
    {
      ...common,
      name: `Delete${title}Policy`,
      run: async (context, authorized) => {
        const entity = context.params.text(`${title}Name`, rule)
        const name = context.params.text('PolicyName', policyName)
        await changeEntity(context, authorized, kind, entity, { action: `Delete${title}Policy` }, row => {
          if (!Object.hasOwn(row.inline, name)) throw noSuchPolicy(entity, name)
          const { [name]: _gone, ...inline } = row.inline
          return { ...row, inline }
        })
        return null
      },
    },
  ]
})
