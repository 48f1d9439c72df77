import { spawnSync } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditCommand } from '../../src/cli/audit.ts'
import { checkBundle } from '../../src/cli/bundle-check.ts'
import { newEntryId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { nodeVerifyCrypto } from '../../src/crypto/node-verify-crypto.ts'
import { generatePrivateKey } from '../../src/crypto/signatures.ts'
import type { AuditReport } from '../../src/flows/report/report-types.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { address, ipfix, set, template, u } from '../support/export-messages.ts'
import { awsLog, ends, places, startUnixMs } from '../support/flow-scenario.ts'
import { createTestLedger } from '../support/ledger.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-audit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const run = (...argv: string[]) => runHearing(() => {}, ...argv)

/** `onSaid` hears what it has said so far on its standard error. */
async function runHearing(onSaid: (stderr: string) => void, ...argv: string[]) {
  let stdout = ''
  let stderr = ''
  const code = await auditCommand(argv, {
    stdout: { write: text => (stdout += text) },
    stderr: { write: text => onSaid((stderr += text)) },
    env: { HOLDFAST_CUSTOMER: folder },
    isTty: false,
  })
  return { code, stdout, stderr }
}

const { indianServer, germanServer } = ends
const payload = 500_000
const read = { from: [indianServer, 9000], to: [germanServer, 55_000], payload } as const
const hidden = { from: [indianServer, 9000], to: [germanServer, 55_001], payload: 70_000 } as const
const hostile = '<script>alert(1)</script>\u202e\u001b[31m'

let flows = ''
let servers = ''
let placesFile = ''
let statement = ''
let trust = ''

beforeAll(async () => {
  flows = file('eni.log', awsLog([read, hidden]))
  servers = file('inventory.csv', `cidr,server,country\n${indianServer},"${hostile}",IN\n10.0.0.1,idle,\n`)
  placesFile = file('places.csv', places)
  const ledger = await createTestLedger()
  const tenant = await ledger.join()
  const end = (at: string, port: number, country: string) => ({ address: at, port, country })
  const client = end(germanServer, 55_000, 'DE')
  const connection = 'c1'
  const opening = newEntryId(startUnixMs, length => new Uint8Array(length))
  const object = { bucket: 'b', key: 'k', versionId: 'v', originId: '0'.repeat(32) as never }
  const by = { accessKeyId: 'AK' }
  const opened = { ...object, maxBytes: payload, client, connection, by }
  const record = {
    connection,
    role: 's3',
    local: end(indianServer, 9000, 'IN'),
    remote: client,
    start: isoTime(startUnixMs),
    end: isoTime(startUnixMs + 10_000),
    bytesOut: payload,
    bytesIn: 300,
    entries: [opening],
    more: false,
    instruction: null,
    initiator: 'remote',
  } as const
  for (const draft of [
    { tenant: tenant.id, type: 'read.opened', body: opened },
    { tenant: tenant.id, type: 'connection', body: record },
  ] as const) {
    await ledger.catalog.commit({ puts: [ledger.drafts.draft(draft).put] })
  }
  await ledger.newSequencer().tick()
  statement = file('statement.json', await ledger.statement(tenant))
  trust = file('trust.json', tenant.trustText)
})

describe('help', () => {
  it.each([
    ['audit', '--help'],
    ['help', 'audit'],
  ])('says every option: %s %s', (...argv) => {
    const { status, stdout } = spawnSync(process.execPath, ['src/main.ts', ...argv], { encoding: 'utf8' })
    expect(status).toBe(0)
    for (const option of ['--servers', '--expected', '--ranges', '--stix', '--listen'])
      expect(stdout).toContain(option)
  })
})

describe('holdfast audit', () => {
  it('prints what §11 of the contract says, and hashes of all it was given', async () => {
    const { code, stdout } = await run(
      flows,
      ...['--servers', servers, '--places', placesFile, '--home', 'in', '--statement', statement, '--json'],
    )
    expect(code).toBe(0)
    const report = JSON.parse(stdout) as AuditReport
    const [server] = report.servers
    expect(server).toMatchObject({ server: hostile, country: 'IN', instructed: 0, disputed: 0 })
    expect(server!.claimed).toBe(payload + Math.ceil(payload / 1448) * 52)
    expect(server!.unexplained).toBe(70_000 + 49 * 52)
    expect(server!.bytesAbroad).toBe(server!.claimed + server!.unexplained)
    expect(server!.destinations).toMatchObject([{ country: 'DE', asn: 16509, bytes: server!.bytesAbroad }])
    expect(server!.findings.map(({ kind }) => kind)).toEqual(['unexplained-abroad'])
    expect(report.coverage).toMatchObject({ complete: true, records: 2, silentServers: ['idle'] })
    expect(report.inputs.flows[0]).toMatchObject({ name: 'eni.log', formats: ['aws'] })
    const hashes = [
      report.inputs.flows[0]!,
      report.inputs.inventory,
      report.inputs.places!,
      report.inputs.statements[0]!,
    ]
    for (const { sha256 } of hashes) expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(report.databases.length).toBe(3)
  })

  it('refuses a statement that does not verify, and says why', async () => {
    const text = readFileSync(statement, 'utf8')
    const changed = file('changed.json', text.replace('55000', '55001'))
    const common = ['--servers', servers, '--home', 'IN', '--statement', changed]
    const { code, stdout, stderr } = await run(flows, ...common)
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toContain('changed.json does not verify')
    const other = file('other-trust.json', '{}')
    expect((await run(flows, ...common, '--trust', other)).code).toBe(1)
    expect(
      (await run(flows, '--servers', servers, '--home', 'IN', '--statement', statement, '--trust', trust))
        .code,
    ).toBe(0)
  })

  it('writes a page that stands alone and that names from inputs cannot change', async () => {
    const html = join(folder, 'report.html')
    const { code, stdout } = await run(
      flows,
      '--servers',
      servers,
      '--places',
      placesFile,
      '--home',
      'IN',
      '--html',
      html,
    )
    expect(code).toBe(0)
    expect(stdout).not.toContain('\u001b')
    expect(stdout).not.toContain('\u202e')
    const page = readFileSync(html, 'utf8')
    expect(page).toContain("default-src 'none'")
    expect(page).not.toMatch(/<script|<img|<link|<iframe|@import|url\(|\ssrc=/i)
    expect(page).not.toContain('\u202e')
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    const [title, heading, map] = ['<title>Audit: ', '<h1 id="verdict">', '<svg'].map(part =>
      page.indexOf(part),
    )
    expect(title).toBeGreaterThan(0)
    expect(heading).toBeGreaterThan(title!)
    expect(map).toBeGreaterThan(heading!)
  })

  it('writes the evidence: inputs, rules, matches, residual', async () => {
    const out = join(folder, 'bundle.json')
    const common = ['--servers', servers, '--places', placesFile, '--home', 'IN', '--statement', statement]
    expect((await run(flows, ...common, '--bundle', out)).code).toBe(0)
    const bundle = JSON.parse(readFileSync(out, 'utf8'))
    expect(bundle).toMatchObject({ format: 'holdfast/audit-bundle/v2', signer: null, signature: null })
    expect(bundle.matches).toMatchObject([
      { destination: { port: 55_000 }, unexplained: 0, entries: [expect.any(String)] },
    ])
    expect(bundle.residual).toMatchObject([
      { destination: { port: 55_001 }, claimed: 0, observers: ['eni-1'] },
    ])
    expect(bundle.inputs.flows[0].sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(checkBundle(out, null).failures).toEqual([expect.stringContaining('not signed')])
  })

  it('writes evidence that adds up where two connections have the same numbers', async () => {
    const out = join(folder, 'alike.json')
    const twice = [55_001, 55_002].map(port => ({ ...hidden, to: [germanServer, port] as const }))
    const alike = file('alike.log', awsLog(twice))
    const common = ['--servers', servers, '--places', placesFile, '--home', 'IN']
    expect((await run(alike, ...common, '--bundle', out)).code).toBe(0)
    expect(checkBundle(out, null).failures).toEqual([expect.stringContaining('not signed')])
  })

  it('signs the evidence so that a stranger can check it', async () => {
    const keyFile = join(folder, 'auditor.key')
    const key = generatePrivateKey('ed25519')
    writeFileSync(keyFile, key.toPem())
    const vkey = printVerifierKey('auditor.example', key.publicKey, nodeVerifyCrypto)
    const out = join(folder, 'signed.json')
    const common = ['--servers', servers, '--places', placesFile, '--home', 'IN', '--statement', statement]
    const sign = ['--bundle', out, '--sign', keyFile, '--signer', 'auditor.example']
    expect((await run(flows, ...common, ...sign)).stdout).toContain(`signed by ${vkey}`)
    const good = checkBundle(out, vkey)
    expect(good).toMatchObject({ failures: [], facts: { inputsCompared: '4 of 4', signer: vkey } })
    expect(checkBundle(out, null).failures).toEqual([expect.stringContaining('not anchored')])
    const other = printVerifierKey(
      'auditor.example',
      generatePrivateKey('ed25519').publicKey,
      nodeVerifyCrypto,
    )
    expect(checkBundle(out, other).failures).toEqual([expect.stringContaining('no signature by')])

    const text = readFileSync(out, 'utf8')
    const changed = join(folder, 'changed.json')
    const faultsOf = async (edited: string): Promise<string> => {
      expect(edited).not.toBe(text)
      writeFileSync(changed, edited)
      return checkBundle(changed, vkey).failures.join('\n')
    }
    const { totals } = JSON.parse(text) as { totals: { unexplained: number } }
    const smaller = text.replace(
      `"unexplained": ${totals.unexplained}`,
      `"unexplained": ${totals.unexplained - 1}`,
    )
    expect(await faultsOf(smaller)).toContain('over another document')
    expect(await faultsOf(smaller)).toContain('add up to')
    expect(await faultsOf(`${text} `)).toContain('not the last field')
    expect(await faultsOf(text.replace('"signature"', '"signature": null,\n  "signature"'))).not.toBe('')
    expect(await faultsOf(text.slice(0, -20))).toContain('not JSON')
    expect(await faultsOf('{\n}')).toContain('not a holdfast/audit-bundle/v2')
    const sha256 = (JSON.parse(text) as { inputs: { inventory: { sha256: string } } }).inputs.inventory.sha256
    expect(await faultsOf(text.replace(sha256, 'a'.repeat(64)))).toContain('is not the file that was audited')
  })

  it.each([
    [[], 'no flow records'],
    [['x.log'], 'no inventory'],
    [['missing.log', '--servers', 'SERVERS', '--home', 'IN'], 'missing.log: no such file'],
    [['FLOWS', '--servers', 'missing.csv'], 'missing.csv: no such file'],
    [['FLOWS', '--servers', 'SERVERS'], 'server "idle" has no country'],
    [['FLOWS', '--servers', 'SERVERS', '--home', 'India'], 'not a two-letter country code'],
    [['SERVERS', '--servers', 'SERVERS', '--home', 'IN'], 'in no format that the audit reads'],
    [['FLOWS', '--servers', 'FLOWS', '--home', 'IN'], 'its header lacks cidr and server'],
    [['FLOWS', '--nonsense'], 'nonsense'],
    [['--listen', 'nowhere'], 'is not HOST:PORT'],
    [['--listen', '127.0.0.1:0', '--for', 'ever'], 'is not a duration'],
    [['--listen', '127.0.0.1:0', '--home', 'IN'], '--listen only receives'],
    [['FLOWS', '--servers', 'SERVERS', '--out', 'x'], 'belong to --listen'],
  ])('%j is wrong usage, and says what would be right', async (argv, message) => {
    const known: Record<string, string> = { FLOWS: flows, SERVERS: servers }
    const { code, stderr, stdout } = await run(...argv.map(word => known[word] ?? word))
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
  })
})

it('says what is wrong without what a file wrote for the terminal', async () => {
  const odd = file('odd.csv', 'cidr,server,country\n\u001b[2Jall is well,a,IN\n')
  const { code, stderr } = await run(flows, '--servers', odd)
  expect(code).toBe(2)
  expect(stderr).toContain('odd.csv:2: "\ufffd[2Jall is well" is not an address')
  expect(stderr).not.toContain('\u001b')
})

describe('holdfast audit --listen', () => {
  it('writes what arrives to a file that audit reads, and never over another', async () => {
    const out = join(folder, 'live.hfcap')
    const heard = Promise.withResolvers<number>()
    const hear = (said: string): void => {
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(said)?.[1]
      if (port !== undefined) heard.resolve(Number(port))
    }
    const listening = runHearing(hear, ...['--listen', '127.0.0.1:0', '--out', out, '--for', '5s', '--json'])
    const port = await heard.promise
    const fields = [
      [8, 4],
      [12, 4],
      [7, 2],
      [11, 2],
      [4, 1],
      [1, 4],
      [2, 4],
      [152, 8],
      [153, 8],
    ]
    const flow = Buffer.concat([
      ...[
        address(indianServer),
        address(germanServer),
        u(2, 9000),
        u(2, 55_000),
        u(1, 6),
        u(4, 90_000),
        u(4, 80),
      ],
      ...[u(8, startUnixMs), u(8, startUnixMs + 1000)],
    ])
    const socket = createSocket('udp4')
    for (const message of [ipfix(0, 1, set(2, template(300, fields))), ipfix(0, 1, set(300, flow))]) {
      await new Promise<void>(done => socket.send(message, port, '127.0.0.1', () => done()))
    }
    socket.close()
    const { code, stdout } = await listening
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ file: out, datagrams: 2, exporters: 1 })
    const audited = await run(out, '--servers', servers, '--places', placesFile, '--home', 'IN', '--json')
    const report = JSON.parse(audited.stdout) as AuditReport
    expect(report.servers[0]).toMatchObject({ bytesAbroad: 90_000, unexplained: 90_000 })
    expect(report.coverage).toMatchObject({ complete: true, remarks: [] })
    const again = await run('--listen', `127.0.0.1:${port}`, '--out', out, '--for', '1s')
    expect(again).toMatchObject({ code: 2 })
    expect(again.stderr).toContain('exists already')
  })
})
