/** A witness that others wrote: torchwood's litewitness, with its key in an SSH agent. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseTypedVerifierKey } from '../../src/verify/verifier-key.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { run, startDaemon, succeed } from '../support/child.ts'
import { freePorts } from '../support/free-ports.ts'
import { crypto } from '../support/ledger.ts'
import { describeWith, findProgram } from '../support/program.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

describeWith('litewitness', 'a witness that others wrote', () => {
  const stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-litewitness-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  let app: TestApp
  let acme: Customer
  let vkey = ''

  beforeAll(async () => {
    const socket = join(folder, 'agent.sock')
    const key = join(folder, 'key')
    await succeed('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
    const agent = await startDaemon('ssh-agent', ['-D', '-a', socket], { ready: 'SSH_AUTH_SOCK' })
    stack.defer(() => agent.end('SIGTERM'))
    await succeed('ssh-add', ['-q', key], { env: { SSH_AUTH_SOCK: socket } })
    const print = (await succeed('ssh-keygen', ['-l', '-f', `${key}.pub`])).split(' ')[1]!
    const [port] = (await freePorts(1)) as [number]
    const database = join(folder, 'witness.db')
    const listen = ['-listen', `127.0.0.1:${port}`, '-name', 'lite.example/w']
    const args = ['-db', database, '-key', print, '-ssh-agent', socket, ...listen]
    const script = ['-c', 'exec "$0" "$@" 2>&1', findProgram('litewitness')!, ...args]
    const witness = await startDaemon('sh', script, { ready: 'listening' })
    stack.defer(() => witness.end('SIGTERM'))
    vkey = /vkey=(\S+)/.exec(witness.said())![1]!

    app = stack.use(await startTestApp())
    const empty = createHash('sha256').digest('base64')
    using opened = new DatabaseSync(database)
    for (const { logKey } of app.app.regions.values()) {
      opened.prepare('INSERT INTO log VALUES (?, 0, ?)').run(logKey.name, empty)
      opened.prepare('INSERT INTO key VALUES (?, ?)').run(logKey.name, logKey.vkey)
    }
    const key04 = parseTypedVerifierKey(vkey, crypto)!
    const url = `http://127.0.0.1:${port}`
    const known = { vkey, key: key04, url, country: null, certificate: '' }
    await app.restart({ witnesses: [{ name: 'lite', operator: 'others', ...known }] })
    acme = await app.customer('acme', 1, 1)
  })
  afterAll(() => stack.disposeAsync())

  it('cosigns what a region publishes, and the receipt shows it', async () => {
    for (let round = 0; round < 3; round++) {
      const made = await acme.s3('PUT', `/papers-${round}`)
      const entry = made.headers.get('x-holdfast-entry')!
      for (;;) {
        const headers = { authorization: `Bearer ${acme.credentials.apiToken}` }
        const path = `/api/v1/entries/${entry}/receipt?witnessed=true`
        const response = await fetch(`${app.api}${path}`, { headers })
        if (response.status === 200) {
          writeFileSync(join(folder, 'r.txt'), await response.text())
          break
        }
        await new Promise(resolve => setTimeout(resolve, 100))
      }
      writeFileSync(join(folder, 'policy'), `witness lite ${vkey}\nquorum lite\n`)
      const args = ['verify', join(folder, 'r.txt'), '--trust', join(acme.folder, 'trust.json')]
      const verified = await run(process.execPath, [main, ...args, '--policy', join(folder, 'policy')])
      expect(verified).toMatchObject({ code: 0, stdout: expect.stringContaining('witnessedBy lite') })
    }
  })
})
