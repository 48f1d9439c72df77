/** Policies that AWS has for everyone and that tools attach by name: those that mean something here. */
const statement = (action: string | string[], resource = '*'): string =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Action: action, Resource: resource },
  })

const readOnlyS3 = ['s3:Get*', 's3:List*', 's3:Describe*']
const readOnlyIam = ['iam:Get*', 'iam:List*', 'iam:GenerateCredentialReport', 'iam:SimulateCustomPolicy']

const documents: Readonly<Record<string, string>> = {
  AdministratorAccess: statement('*'),
  AmazonS3FullAccess: statement('s3:*'),
  AmazonS3ReadOnlyAccess: statement(readOnlyS3),
  IAMFullAccess: statement('iam:*'),
  IAMReadOnlyAccess: statement(readOnlyIam),
  ReadOnlyAccess: statement([...readOnlyS3, ...readOnlyIam]),
}

const prefix = 'arn:aws:iam::aws:policy/'

export function builtInPolicy(arn: string): string | null {
  const name = arn.startsWith(prefix) ? arn.slice(prefix.length) : ''
  return Object.hasOwn(documents, name) ? documents[name]! : null
}

export const builtInArns: readonly string[] = Object.keys(documents).map(name => `${prefix}${name}`)
