/** The customer's calls about its own account, in the query protocol of IAM, signed with its access key. */
import { HoldfastError } from '../core/errors.ts'
import { signHeaders } from '../crypto/sigv4.ts'
import { child, children, childText, parseXml, type XmlElement } from '../s3/xml.ts'
import { type CustomerCredentials, customerFiles } from './customer-folder.ts'
import { keepPromises } from './kept-promises.ts'

export interface AccessKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface NewUser extends Partial<AccessKey> {
  readonly isAdministrator?: boolean
  readonly policy?: string
  readonly userId?: string
  readonly path?: string
  readonly displayName?: string
  readonly email?: string
}

export interface ListedKey {
  readonly accessKeyId: string
  readonly status: string
  readonly created: string
}

export interface IamClient {
  call(action: string, parameters?: Readonly<Record<string, string>>): Promise<XmlElement>
  /** User, its policy and its first key; what was made stays when a later step fails. */
  createUser(
    name: string,
    user: NewUser,
  ): Promise<AccessKey & { readonly userId: string; readonly arn: string }>
  createKey(user: string | null, given: Partial<AccessKey>): Promise<AccessKey>
  /** `user`: `null` for the account's root. */
  listKeys(user: string | null): Promise<ListedKey[]>
}

export function createIamClient(
  credentials: Pick<CustomerCredentials, 'endpoint' | keyof AccessKey>,
  /** The tenant's, where what its answers promise is kept. */
  folder: string,
): IamClient {
  const url = new URL(credentials.endpoint)

  const call: IamClient['call'] = async (action, parameters = {}) => {
    const body = new URLSearchParams({ Action: action, Version: '2010-05-08', ...parameters }).toString()
    const headers = signHeaders(
      {
        method: 'POST',
        path: '/',
        query: [],
        headers: { host: url.host, 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      },
      body,
      credentials,
      { region: 'us-east-1', service: 'iam' },
      Date.now(),
    )
    let response: Response
    try {
      response = await fetch(`${url.origin}/`, { method: 'POST', headers, body })
    } catch (error) {
      throw new HoldfastError('peer-unavailable', `nothing answers at ${url.origin}`, {}, error)
    }
    const text = Buffer.from(await response.arrayBuffer())
    if (!response.ok) {
      const error = child(parseXml(text, 'ErrorResponse'), 'Error') ?? {}
      throw new HoldfastError('conflict', `${childText(error, 'Code')}: ${childText(error, 'Message')}`)
    }
    await keepPromises(customerFiles(folder).promises, response.headers.get('x-holdfast-promise'))
    return child(parseXml(text, `${action}Response`), `${action}Result`) ?? {}
  }

  const createKey: IamClient['createKey'] = async (user, { accessKeyId, secretAccessKey }) => {
    const made = await call('CreateAccessKey', {
      ...(user !== null && { UserName: user }),
      ...(accessKeyId !== undefined && { AccessKeyId: accessKeyId }),
      ...(secretAccessKey !== undefined && { SecretAccessKey: secretAccessKey }),
    })
    const key = child(made, 'AccessKey')!
    return {
      accessKeyId: childText(key, 'AccessKeyId')!,
      secretAccessKey: childText(key, 'SecretAccessKey')!,
    }
  }

  return {
    call,
    createKey,

    async createUser(name, user) {
      const tags = Object.entries({ DisplayName: user.displayName, Email: user.email }).filter(
        (tag): tag is [string, string] => tag[1] !== undefined,
      )
      const made = await call('CreateUser', {
        UserName: name,
        ...(user.userId !== undefined && { UserId: user.userId }),
        ...(user.path !== undefined && { Path: user.path }),
        ...Object.fromEntries(
          tags.flatMap(([key, value], index) => [
            [`Tags.member.${index + 1}.Key`, key],
            [`Tags.member.${index + 1}.Value`, value],
          ]),
        ),
      })
      const row = child(made, 'User')!
      if (user.isAdministrator)
        await call('AttachUserPolicy', {
          UserName: name,
          PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess',
        })
      if (user.policy !== undefined)
        await call('PutUserPolicy', { UserName: name, PolicyName: 'given', PolicyDocument: user.policy })
      return {
        ...(await createKey(name, user)),
        userId: childText(row, 'UserId')!,
        arn: childText(row, 'Arn')!,
      }
    },

    async listKeys(user) {
      const answer = await call('ListAccessKeys', user === null ? {} : { UserName: user })
      return children(child(answer, 'AccessKeyMetadata') ?? {}, 'member').map(key => ({
        accessKeyId: childText(key, 'AccessKeyId')!,
        status: childText(key, 'Status')!,
        created: childText(key, 'CreateDate')!,
      }))
    },
  }
}
