/** What a client is told of a failure: the one place where the product's errors become S3's. */
import { HoldfastError, messageOf } from '../core/errors.ts'
import { S3Error } from '../s3/errors.ts'

export function toS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error
  if (!(error instanceof HoldfastError)) return new S3Error('InternalError')
  switch (error.code) {
    case 'key-holder-unavailable':
      return new S3Error(
        'ServiceUnavailable',
        `The customer's key holder cannot be reached, so nothing can be sealed or opened: ${error.message}`,
      )
    case 'key-holder-refused':
      return new S3Error('AccessDenied', `The customer's key holder refused: ${error.message}`, {
        HoldfastRule: 'key-holder-refused',
      })
    case 'sealed-damaged':
    case 'store-damaged':
      return new S3Error('InternalError', 'What is stored does not authenticate; nothing of it is sent.')
    case 'store-full':
      return new S3Error('ServiceUnavailable', 'The store is full. Reading and deleting go on.')
    case 'shutting-down':
      return new S3Error('ServiceUnavailable', 'The server is shutting down.')
    case 'bad-input':
      return new S3Error('InvalidArgument', error.message)
    case 'not-found':
    case 'conflict':
    case 'not-verified':
    case 'format-unknown':
    case 'peer-unavailable':
    case 'peer-refused':
    case 'law-refused':
    case 'policy-refused':
      return new S3Error('InternalError')
    default:
      return error.code satisfies never
  }
}

export function causeOf(error: unknown): string | null {
  return error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : null
}
