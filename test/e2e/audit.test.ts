import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditCommand } from '../../src/cli/audit.ts'
import type { CountryCode, RegionId } from '../../src/core/ids.ts'
import type { AuditReport } from '../../src/flows/report/report-types.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { captureLoopback, exportCapture, exportersMissing, ownLoopbackNet } from '../support/exporters.ts'
import { freePorts } from '../support/free-ports.ts'
import { draft, instruct, instructionFields, say, settled, verdict } from '../support/instructions.ts'

const why = exportersMissing()
const net = ownLoopbackNet()
const mumbai = `${net}.2`
const frankfurt = `${net}.3`
const objectBytes = 3_000_000
const hiddenBytes = 2_000_000

/** What a statement is for: two regions at two addresses, one approved transfer, one connection on nobody's order. */
describe.skipIf(why !== '')(`an audit of a real transfer${why}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-e2e-audit-'))
  let app: TestApp
  let customer: Customer
  const file = (name: string) => join(folder, name)

  async function transfer(): Promise<void> {
    const envelope = draft(instructionFields(customer))
    const id = await instruct(customer, envelope)
    for (const key of customer.approvers) {
      await say(customer, verdict('approved', envelope, customer.tenant, key), id)
    }
    expect(await settled(customer, id)).toMatchObject({ state: 'completed', objects: 2 })
  }

  /** Between the same two machines, in the same seconds. */
  async function smuggle(): Promise<void> {
    const server = createServer(socket => socket.resume())
    await new Promise<void>(done => server.listen(0, frankfurt, done))
    const { port } = server.address() as { port: number }
    const socket = connect({ host: frankfurt, port, localAddress: mumbai })
    socket.end(Buffer.alloc(hiddenBytes))
    await once(socket, 'close')
    server.close()
  }

  async function saveStatement(region: string): Promise<void> {
    const { api, apiToken } = customer.credentials
    const headers = { authorization: `Bearer ${apiToken}` }
    for (let i = 0; i < 100; i++) {
      const response = await fetch(`${api}/api/v1/regions/${region}/statement`, { headers })
      const text = await response.text()
      if (response.status === 200 && text.includes('"role":"transfer"')) {
        writeFileSync(file(`${region}.json`), text)
        return
      }
      await sleep(100)
    }
    throw new Error(`${region} has not entered its connection`)
  }

  async function audit(flows: string, ...statements: string[]): Promise<AuditReport> {
    let stdout = ''
    let stderr = ''
    const given = statements.flatMap(region => ['--statement', file(`${region}.json`)])
    const code = await auditCommand(
      [flows, '--servers', file('inventory.csv'), ...given, '--trust', customer.credentials.trust, '--json'],
      {
        stdout: { write: text => (stdout += text) },
        stderr: { write: text => (stderr += text) },
        env: {},
        isTty: false,
      },
    )
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return JSON.parse(stdout) as AuditReport
  }

  const server = (report: AuditReport, name: string) => report.servers.find(row => row.server === name)!

  beforeAll(async () => {
    const ports = await freePorts(2)
    app = await startTestApp({
      regions: [
        ['in-mumbai', 'IN', mumbai],
        ['de-frankfurt', 'DE', frankfurt],
      ].map(([id, country, host], i) => ({
        id: id as RegionId,
        country: country as CountryCode,
        operator: 'test',
        peer: { host: host!, port: ports[i]! },
        publish: [],
      })),
    })
    customer = await app.customer('acme', 2, 2)
    const abroad =
      '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
    for (const [bucket, body] of [
      ['source', ''],
      ['target', abroad],
    ] as const) {
      expect((await customer.s3('PUT', `/${bucket}`, body)).status).toBe(200)
    }
    for (const key of ['one', 'two']) {
      expect((await customer.s3('PUT', `/source/${key}`, randomBytes(objectBytes))).status).toBe(200)
    }
    const inventory = ['cidr,server,country', `${mumbai},mumbai-1,IN`, `${frankfurt},frankfurt-1,DE`]
    writeFileSync(file('inventory.csv'), `${inventory.join('\n')}\n`)
    await captureLoopback(folder, net, async () => {
      await Promise.all([transfer(), smuggle()])
    })
    await saveStatement('in-mumbai')
    await saveStatement('de-frankfurt')
  })
  afterAll(async () => {
    await app?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it.each([
    ['the capture', async () => file('lo.pcap')],
    ['NetFlow v9 that softflowd sent', () => exportCapture(folder, 9)],
  ])('finds in %s what was ordered and what was not', async (_, flows) => {
    const report = await audit(await flows(), 'in-mumbai', 'de-frankfurt')
    const sender = server(report, 'mumbai-1')
    expect(sender.instructed).toBeGreaterThan(2 * objectBytes)
    expect(sender.instructed).toBeLessThan(2.2 * objectBytes)
    expect(sender.claimed).toBe(0)
    expect(sender.unexplained).toBeGreaterThanOrEqual(hiddenBytes)
    expect(sender.unexplained).toBeLessThan(1.1 * hiddenBytes)
    // What was smuggled went one way, which is conspicuous too.
    expect(sender.findings.map(({ kind }) => kind)).toEqual(['unexplained-abroad', 'upload-ratio'])
    // The other end sent nothing but answers, which the order covers, and acknowledged what was smuggled.
    const receiver = server(report, 'frankfurt-1')
    expect(receiver.instructed).toBeGreaterThan(0)
    expect(receiver.unexplained).toBeLessThan(20_000)
    expect(report.coverage.enteredNotSeen).toEqual([])
  })

  it('takes one region’s word as a claim, and nobody’s word as none', async () => {
    const oneSided = server(await audit(file('lo.pcap'), 'in-mumbai'), 'mumbai-1')
    expect(oneSided.instructed).toBe(0)
    expect(oneSided.claimed).toBeGreaterThan(2 * objectBytes)
    const alone = server(await audit(file('lo.pcap')), 'mumbai-1')
    expect(alone.unexplained).toBe(alone.bytesAbroad)
  })
})
