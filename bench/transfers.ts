/**
 * An approved transfer beside `rclone copy` between the same two buckets: the same objects, the same server, one after
 * the other. `node bench/transfers.ts [--small N] [--large N] [--medium N] [--rounds N] [--only TEXT] [--keep NAME]`.
 *
 * rclone gets two remotes of different names for the one endpoint, so that it downloads and uploads, as it must between
 * two stores; 8 transfers and 8 checkers. A transfer is timed from its approval to its end: with the entries of both
 * ends published, and what has arrived verified. Sealing, hashing and syncing are the same for both.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { customerFiles } from '../src/cli/customer-folder.ts'
import { isoTime } from '../src/core/time.ts'
import { printEnvelope } from '../src/crypto/dsse.ts'
import { parsePrivateKey } from '../src/crypto/signatures.ts'
import { createDocument, signDocument } from '../src/crypto/signed-document.ts'
import { instructionPayloadType } from '../src/instructions/instruction.ts'
import { verdictTypes } from '../src/verify/verdict-document.ts'
import { createS3, type S3 } from '../test/support/s3.ts'
import { cpuMs } from './processes.ts'
import { startHoldfast, type Target } from './targets.ts'

const { values } = parseArgs({
  options: {
    small: { type: 'string', default: '40000' },
    medium: { type: 'string', default: '6000' },
    large: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    keep: { type: 'string' },
    alone: { type: 'boolean', default: false },
  },
})
const workloads = [
  { name: '1 KiB', bytes: 1024, objects: Number(values.small), putsAtOnce: 64 },
  { name: '256 KiB', bytes: 256 << 10, objects: Number(values.medium), putsAtOnce: 16 },
  { name: '64 MiB', bytes: 64 << 20, objects: Number(values.large), putsAtOnce: 3 },
].filter(({ name }) => name.includes(values.only))

interface Measured {
  readonly workload: string
  readonly who: string
  readonly seconds: number
  readonly objectsPerSecond: number
  readonly mbPerSecond: number
  readonly cores: number
}

mkdirSync(join(import.meta.dirname, '..', 'tmp'), { recursive: true })
const folder = mkdtempSync(join(import.meta.dirname, '..', 'tmp', 'transfers-'))
const results: Measured[] = []
try {
  await using target = await startHoldfast(folder)
  for (const workload of workloads) {
    const source = `source-${workload.bytes}`
    const s3 = createS3(target.endpoint, target.credentials)
    await s3.makeBucket(source)
    await fill(s3, source, workload)
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const who of values.alone ? (['Holdfast'] as const) : (['rclone', 'Holdfast'] as const)) {
        const to = `${who.toLowerCase()}-${workload.bytes}-${round}`
        // On a connection of its own: those of before have been idle for longer than the server keeps them.
        await createS3(target.endpoint, target.credentials).makeBucket(to, 'de-frankfurt')
        const cpuBefore = cpuMs(target.pids())
        const seconds = who === 'rclone' ? rclone(target, source, to) : await transfer(target, source, to)
        const cores = (cpuMs(target.pids()) - cpuBefore) / 1000 / seconds
        const { objects, bytes, name } = workload
        const rates = { objectsPerSecond: objects / seconds, mbPerSecond: (objects * bytes) / seconds / 1e6 }
        results.push({ workload: name, who, seconds, ...rates, cores })
        console.log(
          `${name.padEnd(8)} ${who.padEnd(9)} ${seconds.toFixed(1).padStart(6)} s ${rates.objectsPerSecond.toFixed(1).padStart(8)} objects/s ${rates.mbPerSecond.toFixed(1).padStart(7)} MB/s, the server ${cores.toFixed(2)} cores`,
        )
      }
    }
    if (!values.alone)
      console.log(`${workload.name.padEnd(8)} ratio     ${ratioOf(workload.name).toFixed(2)}`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (values.keep !== undefined) keep(values.keep)

/** Holdfast's rate by rclone's, over all rounds. */
function ratioOf(workload: string): number {
  const secondsOf = (who: string): number =>
    results
      .filter(each => each.who === who && each.workload === workload)
      .reduce((sum, { seconds }) => sum + seconds, 0)
  return secondsOf('rclone') / secondsOf('Holdfast')
}

async function fill(s3: S3, bucket: string, { objects, bytes, putsAtOnce }: (typeof workloads)[number]) {
  let next = 0
  const worker = async (): Promise<void> => {
    const body = randomBytes(bytes)
    for (let i = next++; i < objects; i = next++) {
      body.writeUInt32BE(i, 0)
      await s3.put(`/${bucket}/${String(i % 100).padStart(2, '0')}/${String(i).padStart(8, '0')}`, body)
    }
  }
  await Promise.all(Array.from({ length: putsAtOnce }, worker))
}

function rclone({ endpoint, credentials }: Target, from: string, to: string): number {
  const remote = (name: string, region: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries({
        TYPE: 's3',
        PROVIDER: 'Other',
        ACCESS_KEY_ID: credentials.accessKeyId,
        SECRET_ACCESS_KEY: credentials.secretAccessKey,
        REGION: region,
        ENDPOINT: endpoint,
      }).map(([key, value]) => [`RCLONE_CONFIG_${name}_${key}`, value]),
    )
  const env = {
    PATH: process.env.PATH,
    RCLONE_CONFIG: '/dev/null',
    ...remote('FROM', 'in-mumbai'),
    ...remote('TO', 'de-frankfurt'),
  }
  const start = performance.now()
  execFileSync('rclone', ['copy', '--transfers', '8', '--checkers', '8', `from:${from}`, `to:${to}`], {
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return (performance.now() - start) / 1000
}

async function transfer({ credentials }: Target, from: string, to: string): Promise<number> {
  const { api, apiToken, tenant } = credentials as unknown as Record<string, string>
  const call = async (method: string, path: string, body?: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(`${api}/api/v1${path}`, {
      method,
      headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const json = (await response.json()) as Record<string, unknown>
    if (!response.ok) throw new Error(JSON.stringify(json))
    return json
  }
  const { ledger } = await call('GET', `/buckets/${from}`)
  const draft = createDocument(instructionPayloadType, {
    expires: isoTime(Date.now() + 3600e3),
    from: { bucket: from, region: 'in-mumbai' },
    kind: 'transfer',
    ledger: String(ledger),
    limits: { bytes: null, objects: null },
    mechanism: null,
    mode: 'copy',
    nonce: randomBytes(16).toString('hex'),
    notBefore: isoTime(Date.now() - 1000),
    purpose: 'a measurement',
    scope: { prefix: '' },
    tenant: tenant!,
    to: { bucket: to, region: 'de-frankfurt' },
    v: 1,
  })
  const { id } = (await call('POST', '/instructions', { envelope: printEnvelope(draft) })) as { id: string }
  const approval = createDocument(verdictTypes.approved, {
    instruction: id,
    reason: '',
    tenant: tenant!,
    time: isoTime(Date.now()),
    v: 1,
  })
  const key = parsePrivateKey(readFileSync(customerFiles(join(folder, 'customer')).approverKey, 'utf8'))
  const start = performance.now()
  await call('POST', `/instructions/${id}/verdicts`, { envelope: printEnvelope(signDocument(approval, key)) })
  for (;;) {
    const { state, reason } = await call('GET', `/instructions/${id}`)
    if (state === 'completed') return (performance.now() - start) / 1000
    if (state !== 'approved' && state !== 'running') throw new Error(`${state}: ${reason}`)
    await sleep(50)
  }
}

function keep(name: string): void {
  const version = execFileSync('rclone', ['version'], { encoding: 'utf8' }).split('\n', 1)[0]
  const rows = results.map(
    ({ workload, who, seconds, objectsPerSecond, mbPerSecond, cores }) =>
      `| ${workload} | ${who} | ${seconds.toFixed(1)} | ${objectsPerSecond.toFixed(1)} | ${mbPerSecond.toFixed(1)} | ${cores.toFixed(2)} |`,
  )
  const ratios = workloads.map(
    ({ name, objects }) => `- ${name} (${objects} objects): **${ratioOf(name).toFixed(2)}**`,
  )
  writeFileSync(
    join(import.meta.dirname, 'results', `${name}.md`),
    `# Transfers beside rclone\n\n- date: ${new Date().toISOString()}\n- machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; server, both regions, key holder and rclone on it, over loopback\n- Node ${process.version}, ${version} (\`--transfers 8 --checkers 8\`, two remotes)\n- command: \`node bench/transfers.ts --small ${values.small} --medium ${values.medium} --large ${values.large} --rounds ${values.rounds}\`\n\n` +
      `Holdfast’s rate by rclone’s:\n\n${ratios.join('\n')}\n\n| objects | | s | objects/s | MB/s | the server’s cores |\n|---|---|---:|---:|---:|---:|\n${rows.join('\n')}\n`,
  )
}
