/** Errors of IAM and STS ("Common errors", and those of each action): code → HTTP status. */
import type { S3Error } from '../../errors.ts'

const statuses = {
  AccessDenied: 403,
  ConcurrentModification: 409,
  DeleteConflict: 409,
  EntityAlreadyExists: 409,
  ExpiredToken: 403,
  IncompleteSignature: 403,
  InvalidAction: 400,
  InvalidClientTokenId: 403,
  InvalidInput: 400,
  LimitExceeded: 409,
  MalformedPolicyDocument: 400,
  MissingAuthenticationToken: 403,
  MissingParameter: 400,
  NoSuchEntity: 404,
  PackedPolicyTooLarge: 400,
  ServiceFailure: 500,
  ServiceUnavailable: 503,
  SignatureDoesNotMatch: 403,
  Throttling: 400,
  UnmodifiableEntity: 400,
  ValidationError: 400,
} as const

export type IamErrorCode = keyof typeof statuses

export class IamError extends Error {
  readonly code: IamErrorCode
  readonly status: number

  constructor(code: IamErrorCode, message: string) {
    super(message)
    this.name = 'IamError'
    this.code = code
    this.status = statuses[code]
  }
}

/** The signature is checked by the code that checks S3's; IAM has other names for what can be wrong. */
const names: Readonly<Record<string, IamErrorCode>> = {
  AccessDenied: 'AccessDenied',
  AuthorizationHeaderMalformed: 'IncompleteSignature',
  AuthorizationQueryParametersError: 'IncompleteSignature',
  ExpiredToken: 'ExpiredToken',
  InvalidAccessKeyId: 'InvalidClientTokenId',
  InvalidToken: 'InvalidClientTokenId',
  RequestTimeTooSkewed: 'SignatureDoesNotMatch',
  SignatureDoesNotMatch: 'SignatureDoesNotMatch',
  ServiceUnavailable: 'ServiceUnavailable',
  SlowDown: 'Throttling',
}

export function fromS3Error(error: S3Error): IamError {
  const code = names[error.code]
  if (code !== undefined) return new IamError(code, error.message)
  return error.status < 500
    ? new IamError('ValidationError', error.message)
    : new IamError('ServiceFailure', 'The request processing has failed because of an unknown error.')
}
