/** Files that a command is given to read: whole, with their hash, or refused by name. */
import type { Stats } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { toHex } from '../core/bytes.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { FileInput } from '../flows/report/report-types.ts'

export async function readInputFile(path: string): Promise<{ content: Uint8Array; input: FileInput }> {
  await checkReadable(path)
  const content = await readFile(path).catch(error => {
    throw new HoldfastError('bad-input', `${path}: ${messageOf(error)}`)
  })
  const sha256 = toHex(nodeVerifyCrypto.sha256(content))
  return { content, input: { name: basename(path), sha256, bytes: content.length } }
}

async function checkReadable(path: string): Promise<void> {
  if ((await statOf(path)).isDirectory())
    throw new HoldfastError('bad-input', `${path} is a folder: name a file`)
}

export function statOf(path: string): Promise<Stats> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new HoldfastError(
      'bad-input',
      `${path}: ${error.code === 'ENOENT' ? 'no such file' : messageOf(error)}`,
    )
  })
}

export function textOf(path: string, content: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(content)
  } catch {
    throw new HoldfastError('bad-input', `${path} is not text in UTF-8`)
  }
}
