import type { Holdfast } from './holdfast.ts'

/** What every S3 client on this machine reads its access from; nothing of the user's own set-up shines through. */
export function clientEnv(holdfast: Holdfast): Record<string, string> {
  const { accessKeyId, secretAccessKey, region } = holdfast.credentials
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: region,
    AWS_CA_BUNDLE: holdfast.tlsCertificate,
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: holdfast.folder,
    PYTHONDONTWRITEBYTECODE: '1',
  }
}
