import type { CountryCode } from '../../src/core/ids.ts'
import { createTlsIdentity } from '../../src/crypto/tls-identity.ts'
import { createDoor } from '../../src/outbound/door.ts'
import {
  createS3Client,
  type RemoteStore,
  type S3Client,
  type S3ClientDeps,
} from '../../src/outbound/s3-client.ts'

export interface TestRemote extends Disposable {
  readonly client: S3Client
  /** Waits between tries, as they were asked for; none was waited for. */
  readonly waits: readonly number[]
}

/** A client of a store on this machine, in India, that does not wait between its tries. */
export async function openTestRemote(
  remote: Pick<RemoteStore, 'endpoint' | 'bucket' | 'credentials'> & Partial<RemoteStore>,
  deps: Partial<S3ClientDeps> = {},
): Promise<TestRemote> {
  const door = createDoor(await createTlsIdentity('test', ['localhost'], Date.now()))
  const waits: number[] = []
  const client = createS3Client(
    { name: 'vault', region: 'in-mumbai', country: null, pathStyle: true, certificate: null, ...remote },
    {
      door,
      holds: 'backup',
      from: 'IN' as CountryCode,
      placeOf: () => 'IN' as CountryCode,
      clock: Date.now,
      sleep: async ms => void waits.push(ms),
      idleMs: 20_000,
      ...deps,
    },
  )
  return { client, waits, [Symbol.dispose]: () => door[Symbol.dispose]() }
}
