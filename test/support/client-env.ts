import type { Holdfast } from './holdfast.ts'

/** What every S3 client on this machine reads its access from; nothing of the user's own set-up shines through. */
export function clientEnv(holdfast: Holdfast): Record<string, string | undefined> {
  const { accessKeyId, secretAccessKey, region } = holdfast.credentials
  const others = Object.keys(process.env).filter(name =>
    /^(AWS|BOTO|RCLONE|RESTIC|S3CMD)_|_proxy$/i.test(name),
  )
  return {
    ...Object.fromEntries(others.map(name => [name, undefined])),
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    AWS_DEFAULT_REGION: region,
    ...(holdfast.tlsCertificate !== null && { AWS_CA_BUNDLE: holdfast.tlsCertificate }),
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
    HOME: holdfast.folder,
    PYTHONDONTWRITEBYTECODE: '1',
  }
}
