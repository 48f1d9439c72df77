/** A request's line in the log of a bucket that has one. */

import type { AskingContext } from '../s3/iam/questions.ts'
import type { AccessLog } from '../s3/logging/access-log.ts'
import type { LoggedRequest } from '../s3/logging/line.ts'
import type { LocatedBucket } from '../s3/operation.ts'
import { isSubresource } from '../s3/operations.ts'
import type { S3Request } from '../s3/request.ts'

/** What was learnt about a request to such a bucket. */
export interface Logged {
  readonly bucket: LocatedBucket
  readonly request: S3Request
  readonly asking: AskingContext
}

export function noteInLog(
  accessLog: AccessLog,
  { bucket, request, asking }: Logged,
  facts: Pick<
    LoggedRequest,
    'requestId' | 'startedUnixMs' | 'errorCode' | 'bytesSent' | 'totalMs' | 'url' | 'status'
  >,
): void {
  const { identity, proof, client, message } = asking
  accessLog.note(bucket, {
    ...facts,
    address: client.address,
    requester: identity.caller === null ? null : (identity.caller.policy.arns[0] ?? null),
    method: request.method,
    key: request.key,
    subresource: [...request.query.keys()].find(isSubresource) ?? null,
    headers: request.headers,
    versionId: request.query.get('versionId') ?? null,
    authType: proof === null ? null : proof.authType === 'REST-QUERY-STRING' ? 'QueryString' : 'AuthHeader',
    tls: protocolOf(message.socket),
  })
}

function protocolOf(socket: object): string | null {
  const { getProtocol } = socket as { getProtocol?: () => string | null }
  return getProtocol?.call(socket) ?? null
}
