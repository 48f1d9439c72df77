/** What policies are asked about a request: each need of its row in the operation table, of its bucket and key. */
import type { Clock } from '../../core/time.ts'
import type { AccessQuestion, AccessTarget } from '../../policy/access.ts'
import type { ClientOperation } from '../../policy/operations.ts'
import type { AskedKeys, LocatedBucket, PartNeed, S3Context } from '../operation.ts'
import { parseCopySource } from '../ops/copy-object.ts'
import { type IamNeed, needsOf, type Route } from '../route.ts'
import { conditionKeys } from './condition-keys.ts'
import type { Targets } from './targets.ts'

/** What a question is made of: the context as far as it is there when the question is asked. */
export type AskingContext = Pick<
  S3Context,
  'request' | 'message' | 'identity' | 'client' | 'proof' | 'services' | 'locate'
> & { readonly clock: Clock }

export async function questionsOf(
  targets: Targets,
  context: AskingContext,
  route: Route,
  op: ClientOperation,
  asked: AskedKeys,
): Promise<AccessQuestion[]> {
  const { request } = context
  const questions: AccessQuestion[] = []
  for (const need of needsOf(route, request)) {
    // Of each key in the body the operation asks by itself.
    if (need.on === 'keys') continue
    if (op.action === 'bucket.list' || op.action === 'bucket.create') {
      const resource = `arn:aws:s3:::${request.bucket ?? '*'}`
      const facts = { context, bucket: null, versionId: null, existingTags: null, asked }
      questions.push({ action: need.action, resource, target: null, keys: conditionKeys(facts) })
      continue
    }
    questions.push(await questionOf(targets, context, await partOf(context, need), asked))
  }
  return questions
}

async function partOf(context: AskingContext, need: IamNeed): Promise<PartNeed> {
  const { request } = context
  const source = need.on === 'source' ? parseCopySource(String(request.headers['x-amz-copy-source'])) : null
  const versionId = (source === null ? request.query.get('versionId') : source.versionId) ?? null
  return {
    action: (versionId === null ? undefined : need.version) ?? need.action,
    bucket: await context.locate(source?.source ?? request.bucket!),
    key: source?.key ?? request.key,
    versionId,
    // What a header says is of what the request makes, not of what is there.
    isNew: need.header !== undefined && need.action.startsWith('s3:Put'),
  }
}

export async function questionOf(
  targets: Targets,
  context: AskingContext,
  { action, bucket, key, versionId, isNew = false }: PartNeed,
  asked: AskedKeys,
): Promise<AccessQuestion> {
  const target = await targets.of(bucket, isNew ? null : key, versionId, context.identity.tenant)
  const object =
    key !== null && asksOfTags(target, context) ? await targets.objectOf(bucket, key, versionId) : null
  const facts = { context, bucket, versionId, existingTags: object?.tags ?? null, asked }
  const resource = `arn:aws:s3:::${bucket.row.name}${key === null ? '' : `/${key}`}`
  return { action, resource, target, keys: conditionKeys(facts) }
}

/** Whether any policy that will be asked looks at the tags of what is there; they cost a look-up. */
function asksOfTags({ policy }: AccessTarget, { identity }: AskingContext): boolean {
  const { identity: own, session } = identity.caller ?? {}
  return [policy, ...(own ?? []), ...(session ?? [])].some(each => each?.usesExistingTags === true)
}

/** The buckets that an operation is about, of which a missing key may be told only to those who may list them. */
export function listQuestion(
  targets: Targets,
  context: AskingContext,
  bucket: LocatedBucket,
): Promise<AccessQuestion> {
  return questionOf(targets, context, { action: 's3:ListBucket', bucket, key: null, versionId: null }, {})
}
