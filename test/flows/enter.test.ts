/** What an audit went by, entered before it; and the check that it was that. */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { auditCommand } from '../../src/cli/audit.ts'
import { enterCommand } from '../../src/cli/enter.ts'
import type { AuditReport } from '../../src/flows/report/report-types.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { awsLog, ends } from '../support/flow-scenario.ts'

let app: TestApp
let acme: Customer
const file = (name: string, content?: string | Uint8Array): string => {
  const path = join(app.folder, name)
  if (content !== undefined) writeFileSync(path, content)
  return path
}

async function run(command: typeof enterCommand | typeof auditCommand, ...argv: string[]) {
  let stdout = ''
  const code = await command(argv, {
    stdout: { write: text => (stdout += text) },
    stderr: { write: text => (stdout += text) },
    env: { HOLDFAST_CUSTOMER: acme.folder },
    isTty: false,
  })
  return { code, stdout }
}

async function saveStatement(entry: string): Promise<string> {
  const { api, apiToken } = acme.credentials
  const headers = { authorization: `Bearer ${apiToken}` }
  let text = ''
  await expect
    .poll(
      async () =>
        (text = await (await fetch(`${api}/api/v1/regions/in-mumbai/statement`, { headers })).text()),
    )
    .toContain(entry)
  return file('statement.json', text)
}

beforeAll(async () => {
  app = await startTestApp()
  acme = await app.customer('acme', 1, 1)
})
afterAll(() => app?.[Symbol.asyncDispose]())

describe('files that are entered', () => {
  let statement = ''
  it('stand in the tenant’s books by their hashes', async () => {
    const inventory = file('inventory.csv', `cidr,server,country\n${ends.indianServer},app-1,IN\n`)
    const marks = file('marks.yaml', 'nothing: yet\n')
    const { code, stdout } = await run(enterCommand, inventory, marks, '--region', 'in-mumbai', '--json')
    expect(code).toBe(0)
    const { entry, files } = JSON.parse(stdout) as { entry: string; files: { sha256: string }[] }
    expect(files[1]!.sha256).toBe(createHash('sha256').update('nothing: yet\n').digest('hex'))
    statement = await saveStatement(entry)

    const checked = await run(enterCommand, inventory, marks, '--check', statement)
    expect(checked.code).toBe(0)
    expect(checked.stdout).toMatch(new RegExp(`^inventory.csv: entered \\S+ in in-mumbai, entry ${entry}\n`))
  })

  it('are told from files that were changed since', async () => {
    const changed = file('inventory-2.csv', `cidr,server,country\n${ends.indianServer},app-1,US\n`)
    const checked = await run(enterCommand, changed, file('marks.yaml'), '--check', statement)
    expect(checked).toEqual({
      code: 1,
      stdout: expect.stringMatching(
        /^inventory-2.csv: NOT ENTERED as it is now, in these statements\nmarks.yaml: entered /,
      ),
    })
  })

  it('are not taken from a statement that does not verify', async () => {
    const forged = file('forged.json', readFileSync(statement, 'utf8').replace('inventory', 'INVENTORY'))
    await expect(run(enterCommand, file('marks.yaml'), '--check', forged)).rejects.toThrow('does not verify')
  })

  it('are shown by an audit that goes by them', async () => {
    const flows = file(
      'eni.log',
      awsLog([{ from: [ends.indianServer, 1], to: [ends.germanServer, 443], payload: 1000 }]),
    )
    const argv = [flows, '--servers', file('inventory.csv'), '--statement', statement]
    const report = JSON.parse((await run(auditCommand, ...argv, '--json')).stdout) as AuditReport
    expect(report.inputs.entered).toEqual([
      expect.objectContaining({ sha256: report.inputs.inventory.sha256, region: 'in-mumbai' }),
    ])
    expect((await run(auditCommand, ...argv)).stdout).toContain(
      'inventory.csv is as it was entered in in-mumbai on 20',
    )
    const page = file('report.html')
    await run(auditCommand, ...argv, '--html', page)
    expect(readFileSync(page, 'utf8')).toContain('as entered in in-mumbai on 20')
  })

  it('are missed by an audit that goes by others of their names', async () => {
    const flows = file('eni.log')
    const changed = `cidr,server,country\n${ends.indianServer},app-1,IN\n10.9.9.9,forgotten,IN\n`
    const argv = [flows, '--servers', file('inventory.csv', changed), '--statement', statement]
    const report = JSON.parse((await run(auditCommand, ...argv, '--json')).stdout) as AuditReport
    expect(report.inputs.entered).toEqual([
      expect.objectContaining({ name: 'inventory.csv', isSame: false, region: 'in-mumbai' }),
    ])
    expect((await run(auditCommand, ...argv)).stdout).toContain(
      'inventory.csv IS NOT the file of this name that was entered in in-mumbai on 20',
    )
  })

  it('have names that a terminal and a ledger can bear', async () => {
    const odd = file(`${'a'.repeat(199)}\u{1f600}`, 'x')
    const { stdout } = await run(
      enterCommand,
      odd,
      file('\u001b[31m', 'y'),
      '--region',
      'in-mumbai',
      '--json',
    )
    const names = (JSON.parse(stdout) as { files: { name: string }[] }).files.map(({ name }) => name)
    expect(names).toEqual(['a'.repeat(199), '\ufffd[31m'])
    const { api, apiToken } = acme.credentials
    for (const name of ['\ud83d', 'a\nb', '']) {
      const response = await fetch(`${api}/api/v1/evidence`, {
        method: 'POST',
        headers: { authorization: `Bearer ${apiToken}`, 'content-type': 'application/json' },
        body: JSON.stringify({ region: 'in-mumbai', files: [{ name, sha256: '0'.repeat(64), bytes: 1 }] }),
      })
      expect(response.status).toBe(400)
    }
  })

  it('are refused when they are none', async () => {
    await expect(run(enterCommand, file('nothing-there'))).rejects.toThrow('nothing-there')
    await expect(run(enterCommand, file('marks.yaml'), '--region', 'nowhere')).rejects.toThrow(
      'there is no region nowhere',
    )
    await expect(run(enterCommand, app.folder)).rejects.toThrow('is a folder')
    await expect(run(enterCommand, file('marks.yaml'), '--trust', 'x')).rejects.toThrow('--trust belongs')
    await expect(run(enterCommand)).rejects.toThrow('name the files')
  })
})
