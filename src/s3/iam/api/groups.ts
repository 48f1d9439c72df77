/** Who is in which group. */
import { type EntityRow, entityKey, findEntityById } from '../../../store/iam.ts'
import { changeEntity, demandEntity, type IamAction, pageOf } from './action.ts'
import { entityXml } from './entities.ts'
import { IamError } from './iam-error.ts'
import { aboutEntity, kindSpecs } from './kinds.ts'
import { entityName, groupName } from './params.ts'

const group = kindSpecs.find(({ kind }) => kind === 'group')!
const user = kindSpecs.find(({ kind }) => kind === 'user')!
const maxGroups = 10

export const groupActions: readonly IamAction[] = [
  {
    service: 'iam',
    name: 'AddUserToGroup',
    resource: aboutEntity(group),
    run: async (context, authorized) => {
      const { row, bytes } = await demandEntity(context, 'group', context.params.text('GroupName', groupName))
      const key = entityKey(context.tenant, 'group', row.name)
      const name = context.params.text('UserName', entityName)
      const also = { checks: [{ table: 'iam' as const, key, expected: bytes }] }
      await changeEntity(
        context,
        authorized,
        'user',
        name,
        { action: 'AddUserToGroup' },
        member => {
          if (member.groups.includes(row.id)) return member
          if (member.groups.length >= maxGroups)
            throw new IamError('LimitExceeded', `Cannot exceed quota for GroupsPerUser: ${maxGroups}`)
          return { ...member, groups: [...member.groups, row.id] }
        },
        also,
      )
      return null
    },
  },
  {
    service: 'iam',
    name: 'RemoveUserFromGroup',
    resource: aboutEntity(group),
    run: async (context, authorized) => {
      const { row } = await demandEntity(context, 'group', context.params.text('GroupName', groupName))
      const name = context.params.text('UserName', entityName)
      await changeEntity(context, authorized, 'user', name, { action: 'RemoveUserFromGroup' }, member => {
        if (!member.groups.includes(row.id))
          throw new IamError('NoSuchEntity', `User ${name} is not in group ${row.name}.`)
        return { ...member, groups: member.groups.filter(id => id !== row.id) }
      })
      return null
    },
  },
  {
    service: 'iam',
    name: 'ListGroupsForUser',
    resource: aboutEntity(user),
    run: async context => {
      const { row } = await demandEntity(context, 'user', context.params.text('UserName', entityName))
      const found = await Promise.all(
        row.groups.map(id => findEntityById(context.catalog, context.tenant, id)),
      )
      const groups = found.flatMap(each => (each === null ? [] : [each.row]))
      const page = pageOf<EntityRow>(
        context.params,
        groups.sort((a, b) => (a.name < b.name ? -1 : 1)),
        ({ name }) => name,
      )
      return { Groups: { member: page.items.map(each => entityXml(context, each)) }, ...page.more }
    },
  },
]
