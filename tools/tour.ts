/**
 * `npm run tour`: the story on this machine with real parts, and the check that it ends as it should.
 *
 * Two regions at two loopback addresses, an S3 client, a refused copy, a signed instruction and its transfer; beside
 * it two servers that send bytes abroad on nobody's order, one of them to the very address and in the very minutes of
 * the lawful transfer. tcpdump and softflowd watch; statements and flow records are all that the audit gets.
 *
 * Writes tour-output/ (report.html, statements, flow records). Exits 1 when the audit misses what happened.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { stringify } from 'yaml'
import { signHeaders } from '../src/crypto/sigv4.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const main = join(root, 'src', 'main.ts')
const out = process.env.HOLDFAST_TOUR ?? join(root, 'tour-output')
const mumbai = '127.10.0.1'
const mumbaiOther = '127.10.0.7'
const frankfurt = '127.20.0.1'
const nowhereGood = '127.30.0.66'
const ports = { s3: 31500, api: 31501, holder: 31502, peer: 31510, netflow: 31555, rogue: 31570 }
const objectCount = 24
const objectBytes = 1_000_000
const piggyBackBytes = 6_000_000
const rogueBytes = 3_500_000
const env = {
  ...process.env,
  HOLDFAST_CUSTOMER: join(out, 'customer'),
  HOLDFAST_DATA: join(out, 'data'),
  HOLDFAST_API_PORT: '',
}

const children: ChildProcess[] = []
const missing = await missingPrograms()
if (missing.length > 0) {
  console.log(`The tour needs ${missing.join(' and ')}: apt-get install ${missing.join(' ')}`)
  process.exit(2)
}
try {
  process.exitCode = await tour()
} finally {
  for (const child of children) child.kill('SIGKILL')
}

async function tour(): Promise<number> {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(out, { recursive: true })

  chapter('1', 'A store in two countries', [
    `Region in-mumbai stands at ${mumbai} (India), region de-frankfurt at ${frankfurt} (Germany). They are one`,
    'process here and talk over TLS with pinned keys all the same. The customer’s key holder is a process of its own.',
  ])
  const tcpdump = await startCapture()
  await startProvider()
  const customer = await makeCustomer()
  say(`tenant ${customer.tenant.slice(0, 16)}… with two approvers, both of whom must sign`)

  chapter('2', 'Data is stored, sealed, at home', [])
  const aws = s3Client(customer)
  await must(aws('PUT', '/papers'), 200)
  await must(aws('PUT', '/papers-abroad', location('de-frankfurt')), 200)
  for (let i = 0; i < objectCount; i++) {
    await must(aws('PUT', `/papers/record-${String(i).padStart(2, '0')}`, randomBytes(objectBytes)), 200)
  }
  say(
    `${objectCount} objects of 1 MB in bucket papers, which rests in in-mumbai. On disk there is ciphertext only.`,
  )

  chapter('3', 'A copy abroad is refused', ['An ordinary CopyObject, by the customer’s own client:'])
  const refused = await aws('PUT', '/papers-abroad/record-00', '', {
    'x-amz-copy-source': '/papers/record-00',
  })
  say(
    `HTTP ${refused.status}: ${/<Message>(.*)<\/Message>/.exec(await refused.text())?.[1]?.replaceAll('&quot;', '"') ?? ''}`,
  )

  chapter('4', 'The customer orders it', [
    'Two approvers sign the same instruction; with the second signature it runs by itself.',
  ])
  const { id } = JSON.parse(
    await holdfast(
      ...['instruct', 'transfer', '--bucket', 'papers', '--to-bucket', 'papers-abroad', '--mode', 'copy'],
      ...['--purpose', 'the Frankfurt office works on these', '--expires', '1h', '--json'],
    ),
  ) as { id: string }
  say(`instruction ${id.slice(0, 16)}… (the hash of what is signed)`)
  await holdfast('approve', id, '--key', join(out, 'customer', 'approver.key'), '--json')

  chapter('5', 'And in the very same minutes…', [
    `somebody on the same machine (${mumbai}) sends ${mb(piggyBackBytes)} to the very address of the lawful transfer,`,
    `and another server (${mumbaiOther}) sends ${mb(rogueBytes)} to ${nowhereGood}, in Singapore. On nobody’s order.`,
  ])
  const piggyBack = rogue(mumbai, frankfurt, piggyBackBytes)
  await holdfast('approve', id, '--key', join(out, 'customer', 'approver-2.key'), '--json')
  const transfer = JSON.parse(await holdfast('transfers', id, '--follow', '--json')) as {
    state: string
    objects: number
    bytes: number
  }
  await piggyBack
  await rogue(mumbaiOther, nowhereGood, rogueBytes)
  say(`the transfer: ${transfer.state}, ${transfer.objects} objects, ${mb(transfer.bytes)} of ciphertext`)

  chapter('6', 'The books', [
    'Each region’s statement, checked offline against the customer’s own trust file:',
  ])
  await sleep(1500)
  const statements: string[] = []
  for (const region of ['in-mumbai', 'de-frankfurt']) {
    const file = join(out, `statement-${region}.json`)
    await holdfast('statement', '--region', region, '-o', file)
    statements.push(file)
  }
  say((await holdfast('verify', ...statements)).replaceAll(`${out}/`, '').trim())

  chapter('7', 'The network’s own word', [
    'What tcpdump saw on the wire, exported by softflowd as IPFIX, received by holdfast audit --listen:',
  ])
  await stopCapture(tcpdump)
  const flows = await exportFlows()
  say(`${mb(statSync(flows).size)} of flow records`)

  chapter('8', 'The audit', [
    'It knows the inventory, the two statements and the flow records. Nothing else.',
  ])
  writeFileSync(
    join(out, 'inventory.csv'),
    `cidr,server,country\n${mumbai}/32,mumbai-1,IN\n${mumbaiOther}/32,mumbai-7,IN\n${frankfurt}/32,frankfurt-1,DE\n`,
  )
  writeFileSync(
    join(out, 'places.csv'),
    'cidr,country,asn,name\n127.10.0.0/16,IN,,Mumbai\n127.20.0.0/16,DE,,Frankfurt\n127.30.0.0/16,SG,,Singapore\n',
  )
  const args = ['audit', flows, '--servers', join(out, 'inventory.csv'), '--places', join(out, 'places.csv')]
  for (const statement of statements) args.push('--statement', statement)
  console.log(await holdfast(...args, '--html', join(out, 'report.html')))
  const report = JSON.parse(await holdfast(...args, '--json')) as { servers: Row[] }
  const ok = judge(report.servers, transfer.bytes)
  console.log(`\nThe report with its map: ${join(out, 'report.html')}`)
  return ok ? 0 : 1
}

interface Row {
  readonly server: string
  readonly instructed: number
  readonly claimed: number
  readonly unexplained: number
  readonly disputed: number
  /** Headers, acknowledgements and retransmission, a part of instructed and claimed. */
  readonly overhead: number
}

function judge(servers: readonly Row[], transferred: number): boolean {
  const of = (name: string): Row =>
    servers.find(row => row.server === name) ?? {
      server: name,
      instructed: 0,
      claimed: 0,
      unexplained: 0,
      disputed: 0,
      overhead: 0,
    }
  const within = (value: number, truth: number, share: number): boolean =>
    Math.abs(value - truth) <= share * truth
  const payload = of('mumbai-1').instructed - of('mumbai-1').overhead
  const checks: [string, boolean][] = [
    [
      `mumbai-1: ${mb(payload)} instructed of ${mb(transferred)} transferred (within 2 %)`,
      within(payload, transferred, 0.02),
    ],
    [
      `mumbai-1: ${mb(of('mumbai-1').unexplained)} on nobody’s order of ${mb(piggyBackBytes)} smuggled beside it (within 5 %)`,
      within(of('mumbai-1').unexplained, piggyBackBytes, 0.05),
    ],
    [
      `mumbai-7: ${mb(of('mumbai-7').unexplained)} on nobody’s order of ${mb(rogueBytes)} (within 5 %)`,
      within(of('mumbai-7').unexplained, rogueBytes, 0.05),
    ],
    [
      'mumbai-7: nothing of it instructed or claimed',
      of('mumbai-7').instructed === 0 && of('mumbai-7').claimed === 0,
    ],
    ['frankfurt-1 is accused of nothing', of('frankfurt-1').unexplained < 50_000],
  ]
  console.log()
  for (const [what, holds] of checks) console.log(`  ${holds ? '✔' : '✖'} ${what}`)
  return checks.every(([, holds]) => holds)
}

async function startProvider(): Promise<void> {
  const config = join(out, 'holdfast.yaml')
  writeFileSync(
    config,
    stringify({
      data: './data',
      host: mumbai,
      s3: { port: ports.s3 },
      api: { port: ports.api },
      places: [
        { cidr: '127.0.0.0/16', country: 'IN' },
        { cidr: '127.10.0.0/16', country: 'IN' },
        { cidr: '127.20.0.0/16', country: 'DE' },
        { cidr: '127.30.0.0/16', country: 'SG' },
      ],
      regions: [
        { id: 'in-mumbai', country: 'IN', operator: 'Tour', peer: { host: mumbai, port: ports.peer } },
        { id: 'de-frankfurt', country: 'DE', operator: 'Tour', peer: { host: frankfurt, port: ports.peer } },
      ],
    }),
  )
  await start('holdfast ready', 'serve', '--config', config)
}

interface Credentials {
  readonly endpoint: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly tenant: string
}

async function makeCustomer(): Promise<Credentials> {
  const folder = join(out, 'customer')
  await holdfast(
    ...[
      'tenant',
      'create',
      '--name',
      'tour',
      '--home',
      'in-mumbai',
      '--customer',
      folder,
      '--approvers',
      '2',
      '--quorum',
      '2',
    ],
    ...['--api', `http://${mumbai}:${ports.api}`, '--endpoint', `http://${mumbai}:${ports.s3}`],
    ...['--keyholder', `127.0.0.1:${ports.holder}`, '--operator-token', join(out, 'data', 'operator.token')],
  )
  await start('ready', 'keyholder', '--customer', folder)
  return JSON.parse(readFileSync(join(folder, 'credentials.json'), 'utf8')) as Credentials
}

async function start(readyText: string, ...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.includes(readyText)) resolve()
    })
    child.once('exit', code => reject(new Error(`holdfast ${args[0]} ended with ${code}: ${said}`)))
  })
}

async function holdfast(...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [main, ...args], { env, maxBuffer: 64 << 20 })
  return stdout
}

type S3 = (
  method: string,
  path: string,
  body?: Uint8Array | string,
  headers?: Record<string, string>,
) => Promise<Response>

function s3Client(customer: Credentials): S3 {
  return (method, path, body = '', extra = {}) => {
    const request = { method, path, query: [], headers: { host: new URL(customer.endpoint).host, ...extra } }
    const headers = signHeaders(request, body, customer, { region: 'in-mumbai', service: 's3' }, Date.now())
    return fetch(`${customer.endpoint}${path}`, { method, headers, body: body as string })
  }
}

function location(region: string): string {
  return `<CreateBucketConfiguration><LocationConstraint>${region}</LocationConstraint></CreateBucketConfiguration>`
}

async function must(answer: Promise<Response>, status: number): Promise<void> {
  const response = await answer
  const text = await response.text()
  if (response.status !== status) throw new Error(`HTTP ${response.status}: ${text}`)
}

/** A program that has no business sending anything: it binds a server's address and sends. */
async function rogue(from: string, to: string, bytes: number): Promise<void> {
  const server = createServer(socket => socket.resume())
  await new Promise<void>(resolve => server.listen(ports.rogue, to, resolve))
  const socket = connect({ host: to, port: ports.rogue, localAddress: from })
  // Over a second, as one would who does not want to be seen.
  const chunk = randomBytes(100_000)
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    socket.write(chunk)
    await sleep(8)
  }
  socket.end()
  await once(socket, 'close')
  server.close()
}

async function startCapture(): Promise<ChildProcess> {
  const filter = 'net 127.10.0.0/16 and (net 127.20.0.0/16 or net 127.30.0.0/16)'
  const args = [
    '-i',
    'lo',
    '-s',
    '128',
    '-B',
    '65536',
    '-U',
    '--immediate-mode',
    '-w',
    join(out, 'wire.pcap'),
    filter,
  ]
  const child = spawn('tcpdump', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  children.push(child)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  for (let i = 0; i < 100 && !said.includes('listening'); i++) await sleep(50)
  if (!said.includes('listening')) throw new Error(`tcpdump does not capture: ${said}`)
  return child
}

async function stopCapture(tcpdump: ChildProcess): Promise<void> {
  await sleep(500)
  const closed = once(tcpdump, 'close')
  tcpdump.kill('SIGINT')
  await closed
}

async function exportFlows(): Promise<string> {
  const file = join(out, 'flows.hfcap')
  const listener = spawn(
    process.execPath,
    [main, 'audit', '--listen', `127.0.0.1:${ports.netflow}`, '--out', file],
    {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  children.push(listener)
  for (let i = 0; i < 100 && !existsSync(file); i++) await sleep(50)
  // Without a control socket: softflowd waits on it for ever when its name is more than a few letters long.
  const control = ['-p', 'softflowd.pid', '-c', 'none']
  const args = ['-r', 'wire.pcap', '-n', `127.0.0.1:${ports.netflow}`, '-v', '10', '-d', ...control]
  const softflowd = spawn('softflowd', args, { cwd: out, stdio: 'ignore', timeout: 30_000 })
  await once(softflowd, 'close')
  await sleep(500)
  const closed = once(listener, 'close')
  listener.kill('SIGTERM')
  await closed
  return file
}

async function missingPrograms(): Promise<string[]> {
  const found: string[] = []
  for (const program of ['tcpdump', 'softflowd']) {
    await run('sh', ['-c', `command -v ${program}`]).catch(() => found.push(program))
  }
  return found
}

function chapter(number: string, title: string, lines: readonly string[]): void {
  console.log(`\n\x1b[1m${number}. ${title}\x1b[0m`)
  for (const line of lines) console.log(`   ${line}`)
}

function say(text: string): void {
  for (const line of text.split('\n')) console.log(`   → ${line}`)
}

function mb(bytes: number): string {
  return bytes < 100_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`
}
