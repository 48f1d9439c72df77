import type { EntityRow } from '../../../store/iam.ts'
import type { XmlNode } from '../../xml.ts'
import { changeEntity, demandEntity, type IamAction } from './action.ts'
import { IamError } from './iam-error.ts'
import { aboutEntity, kindSpecs } from './kinds.ts'
import type { Params } from './params.ts'

type Tags = EntityRow['tags']

const maxTags = 50

export function readTags(params: Params): Tags {
  return params.members('Tags').map(member => {
    const key = member.get('Key') ?? ''
    const value = member.get('Value') ?? ''
    if (key === '' || key.length > 128 || value.length > 256 || key.startsWith('aws:'))
      throw new IamError('InvalidInput', 'A tag’s key has 1 to 128 characters and its value at most 256.')
    return { key, value }
  })
}

export function tagsXml(tags: Tags): XmlNode {
  return { member: tags.map(({ key, value }) => ({ Key: key, Value: value })) }
}

/** Keys are told apart without regard to case; the last one stays. */
function merged(tags: Tags, more: Tags): Tags {
  const byKey = new Map([...tags, ...more].map(tag => [tag.key.toLowerCase(), tag]))
  if (byKey.size > maxTags) throw new IamError('LimitExceeded', `There can be no more than ${maxTags} tags.`)
  return [...byKey.values()]
}

export const tagActions: readonly IamAction[] = kindSpecs
  .filter(({ kind }) => kind !== 'group')
  .flatMap((spec): IamAction[] => {
    const { kind, title, rule } = spec
    const common = { service: 'iam', resource: aboutEntity(spec) } as const
    return [
      {
        ...common,
        name: `Tag${title}`,
        run: async (context, authorized) => {
          const tags = readTags(context.params)
          const name = context.params.text(`${title}Name`, rule)
          await changeEntity(context, authorized, kind, name, { action: `Tag${title}` }, row => ({
            ...row,
            tags: merged(row.tags, tags),
          }))
          return null
        },
      },
      {
        ...common,
        name: `Untag${title}`,
        run: async (context, authorized) => {
          const gone = new Set(context.params.members('TagKeys').map(member => member.get('')?.toLowerCase()))
          const name = context.params.text(`${title}Name`, rule)
          await changeEntity(context, authorized, kind, name, { action: `Untag${title}` }, row => ({
            ...row,
            tags: row.tags.filter(({ key }) => !gone.has(key.toLowerCase())),
          }))
          return null
        },
      },
      {
        ...common,
        name: `List${title}Tags`,
        run: async context => {
          const { row } = await demandEntity(context, kind, context.params.text(`${title}Name`, rule))
          return { Tags: tagsXml(row.tags), IsTruncated: false }
        },
      },
    ]
  })
