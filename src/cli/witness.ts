/** `witness`: whoever is not the provider runs it, so that no region can show two histories of its log. */
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { jsonLinesLog } from '../core/log.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { parseEd25519Key } from '../crypto/signatures.ts'
import { openLmdbCatalog } from '../store/lmdb-catalog.ts'
import type { Cosigner } from '../verify/cosignature.ts'
import { ownWitness } from '../verify/quorum.ts'
import {
  noteKeyId,
  parseTypedVerifierKey,
  printVerifierKey,
  type TypedVerifierKey,
} from '../verify/verifier-key.ts'
import { createWitness } from '../witness/witness.ts'
import { createWitnessHandler, witnessHttpLimits } from '../witness/witness-server.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { untilStopped } from './until-stopped.ts'

const kind = 'cosignature-ed25519'

export async function witnessCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      key: { type: 'string' },
      name: { type: 'string' },
      listen: { type: 'string' },
      log: { type: 'string', multiple: true },
      logs: { type: 'string' },
      data: { type: 'string' },
      vkey: { type: 'boolean' },
      'tls-key': { type: 'string' },
      'tls-certificate': { type: 'string' },
    },
  })
  const cosigner = loadCosigner(required(values.key, '--key FILE'), required(values.name, '--name NAME'))
  const vkey = printVerifierKey(cosigner.name, cosigner.publicKey, nodeVerifyCrypto, kind)
  if (values.vkey === true) {
    io.stdout.write(`${vkey}\n`)
    return 0
  }
  const { host, port } = parseListen(required(values.listen, '--listen HOST:PORT'))
  const folder = required(values.data, '--data DIR')
  const logs = parseLogs([
    ...(values.log ?? []),
    ...(values.logs === undefined ? [] : readLines(values.logs)),
  ])
  if (logs.length === 0) throw new UsageError('at least one --log VKEY, or --logs FILE, is required')
  const tlsKey = values['tls-key']
  const tlsCertificate = values['tls-certificate']
  if ((tlsKey === undefined) !== (tlsCertificate === undefined))
    throw new UsageError('--tls-key and --tls-certificate belong together')

  const log = jsonLinesLog(line => io.stderr.write(line), Date.now)
  for (const key of logs) {
    const own = ownWitness(cosigner, [], key.name)
    if (own !== null) io.stderr.write(`holdfast witness: counts for nothing for ${key.name}: ${own}\n`)
  }
  await using catalog = await openLmdbCatalog(folder)
  const deps = { catalog, cosigner, logs, crypto: nodeVerifyCrypto, clock: Date.now, log }
  const handler = createWitnessHandler({ witness: createWitness(deps), name: cosigner.name, vkey, log })
  const server =
    tlsKey === undefined || tlsCertificate === undefined
      ? createServer(witnessHttpLimits, handler)
      : createTlsServer(
          { ...witnessHttpLimits, key: readFileSync(tlsKey), cert: readFileSync(tlsCertificate) },
          handler,
        )
  await listen(server, host, port)
  const scheme = tlsKey === undefined ? 'http' : 'https'
  io.stdout.write(
    `witness ready: ${scheme}://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}/, keys of logs: ${logs.length}, vkey ${vkey}\n`,
  )
  await untilStopped()
  await new Promise<void>(resolve => {
    server.close(() => resolve())
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), 2000).unref()
  })
  return 0
}

function loadCosigner(path: string, name: string): Cosigner {
  if (!/^[^\s+]+$/u.test(name)) throw new UsageError('--name must not contain spaces or +')
  let pem: string
  try {
    pem = readFileSync(path, 'utf8')
  } catch (error) {
    throw new HoldfastError('not-found', `there is no key at ${path}: holdfast keygen -o ${path}`, {}, error)
  }
  const key = parseEd25519Key(pem, 'the key of a witness')
  const { publicKey } = key
  const keyId = noteKeyId(name, publicKey, nodeVerifyCrypto, kind)
  return { kind, name, publicKey, keyId, sign: message => key.sign(message) }
}

function parseLogs(vkeys: readonly string[]): TypedVerifierKey[] {
  return vkeys.map(vkey => {
    const key = parseTypedVerifierKey(vkey, nodeVerifyCrypto)
    if (key === null) throw new HoldfastError('bad-input', `“${vkey}” is no verifier key`)
    return key
  })
}

/** One a line; empty lines and lines that begin with # are passed over. */
function readLines(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):([0-9]{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) throw new UsageError(`--listen ${text} is not HOST:PORT`)
  return { host: match[1] ?? match[2]!, port }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', error =>
      reject(
        new HoldfastError('conflict', `cannot listen on ${host}:${port}: ${messageOf(error)}`, {}, error),
      ),
    )
    server.listen(port, host, resolve)
  })
}
