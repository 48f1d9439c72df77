/** Witnesses for tests: keys, cosigned notes, and the server as a process of its own. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { toBase64 } from '../../src/core/bytes.ts'
import { generatePrivateKey } from '../../src/crypto/signatures.ts'
import { emptyEdge, TileBuilder } from '../../src/ledger/tile-builder.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import type { Cosigner } from '../../src/verify/cosignature.ts'
import { leafHash } from '../../src/verify/merkle.ts'
import { type NoteSigner, printNote } from '../../src/verify/note.ts'
import { consistencyRanges } from '../../src/verify/subtrees.ts'
import { TreeFold } from '../../src/verify/tree-fold.ts'
import { noteKeyId, printVerifierKey } from '../../src/verify/verifier-key.ts'
import { type Daemon, startDaemon } from './child.ts'
import { freePorts } from './free-ports.ts'
import { crypto } from './ledger.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const kind = 'cosignature-ed25519'

export function makeCosigner(
  name = 'witness.example/w1',
): Cosigner & { readonly vkey: string; toPem(): string } {
  const key = generatePrivateKey('ed25519')
  const { publicKey } = key
  return {
    kind,
    name,
    publicKey,
    keyId: noteKeyId(name, publicKey, crypto, kind),
    vkey: printVerifierKey(name, publicKey, crypto, kind),
    sign: message => key.sign(message),
    toPem: () => key.toPem(),
  }
}

/** A log of numbered leaves, on which any tree can be shown. `seed` makes another history. */
export function makeLog(signer: NoteSigner, seed = '') {
  const leaf = (at: number): Uint8Array => leafHash(Buffer.from(`${seed}${at}`), crypto)
  const range = (start: number, end: number): Uint8Array => {
    const fold = new TreeFold(crypto)
    for (let at = start; at < end; at++) fold.push(leaf(at))
    return fold.root() ?? new TileBuilder(crypto, emptyEdge).root()
  }
  const note = (size: number): string =>
    printNote(printCheckpoint({ origin: signer.name, size, root: range(0, size) }), signer, crypto)
  return {
    vkey: printVerifierKey(signer.name, signer.publicKey, crypto),
    root: (size: number) => range(0, size),
    note,
    proof: (old: number, size: number) =>
      consistencyRanges(old, size).map(({ start, end }) => toBase64(range(start, end))),
    /** The body of `add-checkpoint`. */
    request(old: number, size: number): string {
      const proof = consistencyRanges(old, size).map(({ start, end }) => `${toBase64(range(start, end))}\n`)
      return `old ${old}\n${proof.join('')}\n${note(size)}`
    },
  }
}

export interface WitnessProcess extends AsyncDisposable {
  readonly url: string
  readonly vkey: string
  readonly name: string
  add(body: string | Uint8Array): Promise<{ status: number; type: string | null; text: string }>
  stop(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
  said(): string
}

/** `holdfast witness` on a free port. `logs`: their verifier keys; they can be told later, before `start`. */
export async function createWitnessProcess(
  name: string,
  logs: () => readonly string[],
): Promise<WitnessProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-witness-'))
  const cosigner = makeCosigner(name)
  const key = join(folder, 'witness.key')
  writeFileSync(key, cosigner.toPem(), { mode: 0o600 })
  const [port] = (await freePorts(1)) as [number]
  let daemon: Daemon | null = null
  const end = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    const ending = daemon
    daemon = null
    await ending?.end(signal)
  }
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    name,
    vkey: cosigner.vkey,
    said: () => daemon?.said() ?? '',
    async add(body) {
      const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body: body as string })
      return {
        status: response.status,
        type: response.headers.get('content-type'),
        text: await response.text(),
      }
    },
    stop: () => end('SIGTERM'),
    kill: () => end('SIGKILL'),
    async start() {
      const list = join(folder, 'logs')
      writeFileSync(list, `# logs\n${logs().join('\n')}\n`)
      const args = ['--key', key, '--name', name, '--listen', `127.0.0.1:${port}`]
      daemon = await startDaemon(
        process.execPath,
        [main, 'witness', ...args, '--logs', list, '--data', join(folder, 'data')],
        { ready: 'witness ready' },
      )
    },
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
