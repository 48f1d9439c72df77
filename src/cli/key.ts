import { customerFiles, loadCredentials, saveSecret } from './customer-folder.ts'
import { createIamClient } from './iam-client.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { folderOf, whoseOptions } from './user.ts'

/** Access keys of the account's root, or with `--user` of one of its users. */
export async function keyCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      ...whoseOptions,
      user: { type: 'string' },
      'access-key': { type: 'string' },
      'secret-key': { type: 'string' },
    },
  })
  const folder = folderOf(values, io)
  const credentials = loadCredentials(folder)
  const iam = createIamClient(credentials, folder)
  const user = values.user ?? null
  const named = user === null ? {} : { UserName: user }
  const print = (result: object, text: string): ExitCode => {
    io.stdout.write(values.json ? `${JSON.stringify(result)}\n` : text)
    return 0
  }
  const [command, id] = positionals
  switch (command) {
    case 'create':
    case 'rotate': {
      const before = await iam.listKeys(user)
      if (command === 'rotate') {
        // There is room for two: what was switched off by the last rotation makes way.
        const off = before.length > 1 ? before.find(({ status }) => status === 'Inactive') : undefined
        if (off !== undefined) await iam.call('DeleteAccessKey', { ...named, AccessKeyId: off.accessKeyId })
      }
      const made = await iam.createKey(user, {
        ...(values['access-key'] !== undefined && { accessKeyId: values['access-key'] }),
        ...(values['secret-key'] !== undefined && { secretAccessKey: values['secret-key'] }),
      })
      if (command === 'rotate') {
        // The new key is written down before the old one stops: a crash between leaves two that work.
        if (user === null) await saveSecret(customerFiles(folder).credentials, { ...credentials, ...made })
        const next = createIamClient({ ...credentials, ...(user === null ? made : {}) }, folder)
        for (const { accessKeyId, status } of before)
          if (status === 'Active')
            await next.call('UpdateAccessKey', { ...named, AccessKeyId: accessKeyId, Status: 'Inactive' })
      }
      return print(made, `access key ${made.accessKeyId}\nsecret key ${made.secretAccessKey}\n`)
    }
    case 'list': {
      const keys = await iam.listKeys(user)
      return print(
        { keys },
        keys
          .map(({ accessKeyId, status, created }) => `${accessKeyId}  ${status.padEnd(8)}  ${created}\n`)
          .join(''),
      )
    }
    case 'disable':
    case 'enable': {
      const Status = command === 'enable' ? 'Active' : 'Inactive'
      const AccessKeyId = required(id, 'the key’s id')
      await iam.call('UpdateAccessKey', { ...named, AccessKeyId, Status })
      return print({ accessKeyId: AccessKeyId, status: Status }, `${AccessKeyId}  ${Status}\n`)
    }
    case 'delete': {
      const AccessKeyId = required(id, 'the key’s id')
      await iam.call('DeleteAccessKey', { ...named, AccessKeyId })
      return print({ deleted: AccessKeyId }, `${AccessKeyId}  deleted\n`)
    }
    default:
      throw new UsageError('create, rotate, list, disable, enable or delete')
  }
}
