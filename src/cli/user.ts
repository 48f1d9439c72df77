import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { child, children, childText } from '../s3/xml.ts'
import { customerFolder, loadCredentials, tenantsFolder } from './customer-folder.ts'
import { createIamClient, type IamClient } from './iam-client.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'

/** Which folder's key speaks: a tenant's under the customer's, or any. */
export const whoseOptions = {
  tenant: { type: 'string' },
  customer: { type: 'string' },
  json: { type: 'boolean' },
} as const

export interface Whose {
  readonly tenant?: string | undefined
  readonly customer?: string | undefined
}

export function folderOf({ tenant, customer }: Whose, io: CommandIo): string {
  if (customer !== undefined && tenant !== undefined) throw new UsageError('--tenant or --customer')
  if (tenant !== undefined) return join(tenantsFolder(customerFolder(io.env)), tenant)
  return customer ?? customerFolder(io.env)
}

/** Users of a tenant's account, by the account's own key: the operator has no part in it. */
export async function userCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      ...whoseOptions,
      name: { type: 'string' },
      'user-id': { type: 'string' },
      'display-name': { type: 'string' },
      email: { type: 'string' },
      path: { type: 'string' },
      admin: { type: 'boolean' },
      policy: { type: 'string' },
      'access-key': { type: 'string' },
      'secret-key': { type: 'string' },
    },
  })
  const folder = folderOf(values, io)
  const iam = createIamClient(loadCredentials(folder), folder)
  switch (positionals[0]) {
    case 'create': {
      if ((values['access-key'] === undefined) !== (values['secret-key'] === undefined))
        throw new UsageError('--access-key and --secret-key go together')
      const name = required(values.name, '--name')
      const made = await iam.createUser(name, {
        ...(values['user-id'] !== undefined && { userId: values['user-id'] }),
        ...(values['display-name'] !== undefined && { displayName: values['display-name'] }),
        ...(values.email !== undefined && { email: values.email }),
        ...(values.path !== undefined && { path: values.path }),
        ...(values.admin && { isAdministrator: true }),
        ...(values.policy !== undefined && { policy: readFileSync(values.policy, 'utf8') }),
        ...(values['access-key'] !== undefined && { accessKeyId: values['access-key'] }),
        ...(values['secret-key'] !== undefined && { secretAccessKey: values['secret-key'] }),
      })
      if (values.json) io.stdout.write(`${JSON.stringify({ name, ...made })}\n`)
      else
        io.stdout.write(
          `user ${made.arn} (${made.userId})\n  access key ${made.accessKeyId}\n  secret key ${made.secretAccessKey}\n`,
        )
      return 0
    }
    case 'list': {
      const users = children(
        child(await iam.call('ListUsers', { MaxItems: '1000' }), 'Users') ?? {},
        'member',
      ).map(user => ({
        name: childText(user, 'UserName')!,
        userId: childText(user, 'UserId')!,
        arn: childText(user, 'Arn')!,
      }))
      if (values.json) io.stdout.write(`${JSON.stringify({ users })}\n`)
      else for (const { userId, arn } of users) io.stdout.write(`${userId}  ${arn}\n`)
      return 0
    }
    case 'delete': {
      const name = required(values.name, '--name')
      await deleteUser(iam, name)
      if (values.json) io.stdout.write(`${JSON.stringify({ deleted: name })}\n`)
      return 0
    }
    default:
      throw new UsageError('create, list or delete')
  }
}

/** With everything that hangs on it, which IAM wants gone before. */
async function deleteUser(iam: IamClient, UserName: string): Promise<void> {
  for (const { accessKeyId } of await iam.listKeys(UserName))
    await iam.call('DeleteAccessKey', { UserName, AccessKeyId: accessKeyId })
  const attached = await iam.call('ListAttachedUserPolicies', { UserName })
  for (const policy of children(child(attached, 'AttachedPolicies') ?? {}, 'member'))
    await iam.call('DetachUserPolicy', { UserName, PolicyArn: childText(policy, 'PolicyArn')! })
  const inline = child(await iam.call('ListUserPolicies', { UserName }), 'PolicyNames')?.member
  for (const name of inline === undefined ? [] : [inline].flat())
    await iam.call('DeleteUserPolicy', { UserName, PolicyName: String(name) })
  const groups = await iam.call('ListGroupsForUser', { UserName })
  for (const group of children(child(groups, 'Groups') ?? {}, 'member'))
    await iam.call('RemoveUserFromGroup', { UserName, GroupName: childText(group, 'GroupName')! })
  await iam.call('DeleteUser', { UserName })
}
