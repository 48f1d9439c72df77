/** What is secret in a backup: one FLOE message a file, bound to its region and its path in the backup. */
import { type FileHandle, open } from 'node:fs/promises'
import { utf8 } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import type { RandomBytes } from '../core/ids.ts'
import { headerBytes, headerTagOf } from '../crypto/floe.ts'
import { createPartOpener, createPartSealer } from '../crypto/part-sealing.ts'
import { storeFault } from '../store/durable-file.ts'
import type { BackupKey } from './backup-key.ts'

export interface SealedName {
  readonly region: string
  readonly path: string
}

const associated = ({ region, path }: SealedName): Uint8Array =>
  utf8(`holdfast/backup/v1\0${region}\0${path}`)

/** Returns the length of what it wrote. Not synced. */
export async function sealFile(
  plaintext: AsyncIterable<Uint8Array>,
  target: string,
  name: SealedName,
  key: BackupKey,
  randomBytes: RandomBytes,
): Promise<number> {
  const sealer = createPartSealer(key.sealing, associated(name), randomBytes)
  const handle = await open(target, 'wx', 0o600).catch(storeFault)
  try {
    for await (const chunk of plaintext) await writeAll(handle, sealer.update(chunk))
    const { chunks, part } = sealer.finish()
    await writeAll(handle, chunks)
    return part.cipherBytes
  } finally {
    await handle.close()
  }
}

/** `sealed-damaged` when it was sealed with another key, for another place, or was changed. */
export async function* openSealed(
  ciphertext: AsyncIterable<Uint8Array>,
  cipherBytes: number,
  name: SealedName,
  key: BackupKey,
): AsyncGenerator<Uint8Array, void> {
  let opener: ReturnType<typeof createPartOpener> | null = null
  let head = Buffer.alloc(0)
  let seen = 0
  for await (const chunk of ciphertext) {
    seen += chunk.length
    let rest = chunk
    if (opener === null) {
      head = Buffer.concat([head, chunk])
      if (head.length < headerBytes) continue
      const header = head.subarray(0, headerBytes)
      opener = createPartOpener(key.sealing, associated(name), header, {
        cipherBytes,
        headerTag: headerTagOf(header),
      })
      rest = head.subarray(headerBytes)
    }
    yield* opener(rest)
  }
  if (opener === null || seen !== cipherBytes)
    throw new HoldfastError('sealed-damaged', `${name.path} is cut short`)
}

async function writeAll(handle: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  for (const chunk of chunks) await handle.writeFile(chunk).catch(storeFault)
}
