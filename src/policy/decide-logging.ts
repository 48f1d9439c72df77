/** May a log of requests be written here? The authority is what the logged bucket's owner has configured. */
import type { Authorized, Refusal } from './authorized.ts'
import { mint, noObligations } from './mint.ts'
import type { BucketFacts, ObjectWrite } from './operations.ts'

export function decideLogging(
  source: BucketFacts,
  target: BucketFacts,
  /** Name of the bucket that the source's configuration names now. */
  configured: string | null,
): Authorized<ObjectWrite> | Refusal {
  const isOwn = source.tenant === target.tenant && source.region === target.region
  if (configured === target.name && isOwn)
    return mint({ action: 'object.write', bucket: target }, noObligations)
  const message = `${source.name} is not configured to be logged in ${target.name}.`
  return { refused: true, rule: 'logging-not-configured', message }
}
