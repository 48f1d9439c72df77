/** `flows load` that is killed in the middle of an hour, or has no room: nothing counts twice or by half, nothing stays. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { run } from '../support/child.ts'
import { startClickHouse, type TestClickHouse } from '../support/clickhouse.ts'
import {
  collectInto,
  collectorFolder,
  deliver,
  record,
  type TestFolder,
  templateSet,
  until,
} from '../support/collector.ts'
import { ipfix, set } from '../support/export-messages.ts'
import { describeWith } from '../support/program.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const recordsEach = 25
const messages = 80

let folder: TestFolder
beforeAll(async () => {
  folder = collectorFolder()
  await using collector = await collectInto(folder.path, { limits: { segmentMs: 50 } })
  for (let i = 0; i < messages; i++) {
    const records = Array.from({ length: recordsEach }, (_, n) => record(i * recordsEach + n + 1))
    await deliver(collector, [ipfix(i * recordsEach, 1, templateSet, set(256, ...records))])
  }
  await until(() => collector.decoded()?.records === messages * recordsEach)
})
afterAll(() => folder[Symbol.asyncDispose]())

/** Passes requests on. Of the first rows that come it passes the beginning, says so, and waits. */
async function startStalling(target: string) {
  const stalled = Promise.withResolvers<void>()
  const upstream = new Set<ReturnType<typeof request>>()
  const passOn = async (message: IncomingMessage, onto: ReturnType<typeof request>): Promise<void> => {
    const isRows = /INSERT(\+|%20)INTO(\+|%20)flows_raw/i.test(message.url ?? '')
    for await (const chunk of message as AsyncIterable<Buffer>) {
      if (!isRows) onto.write(chunk)
      else {
        onto.write(chunk.subarray(0, chunk.length >> 1))
        stalled.resolve()
        await new Promise(() => {})
      }
    }
    onto.end()
  }
  const server = createServer((message, response) => {
    const onto = request(
      target + message.url,
      { method: message.method, headers: message.headers },
      answer => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      },
    )
    upstream.add(onto)
    onto.on('error', () => response.destroy())
    message.on('error', () => {})
    message.once('close', () => {
      if (!message.complete) onto.destroy()
    })
    passOn(message, onto).catch(() => onto.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stalled: stalled.promise,
    [Symbol.dispose]() {
      for (const each of upstream) each.destroy()
      server.closeAllConnections()
      server.close()
    },
  }
}

const flows = (...args: string[]) => run(process.execPath, [main, 'flows', ...args])

describeWith('clickhouse-server', 'a load into ClickHouse that is killed', () => {
  let server: TestClickHouse
  beforeAll(async () => {
    server = await startClickHouse()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  it('counts for nothing, says so, and is made up for by the next', async () => {
    using stalling = await startStalling(server.url)
    const loader = spawn(
      process.execPath,
      [main, 'flows', 'load', folder.path, '--clickhouse', stalling.url],
      {
        stdio: 'ignore',
      },
    )
    await stalling.stalled
    loader.kill('SIGKILL')
    await once(loader, 'exit')
    const cut = await flows('--clickhouse', server.url, '--json')
    expect(JSON.parse(cut.stdout)).toMatchObject({ total: { flows: 0 } })
    expect(JSON.parse(cut.stdout).notes.join()).toMatch(/not there whole \(loading, or cut off\)/)

    const again = await flows('load', folder.path, '--clickhouse', server.url)
    expect(again).toMatchObject({ code: 0, stderr: '' })
    const here = JSON.parse((await flows(folder.path, '--by', 'src_addr', '--json')).stdout)
    const there = JSON.parse((await flows('--clickhouse', server.url, '--by', 'src_addr', '--json')).stdout)
    expect(here.total.flows).toBe(messages * recordsEach)
    expect(there.rows).toEqual(here.rows)
    expect(there.total).toEqual(here.total)
  })
})

describeWith('mount', 'a load with a full disk for its work', () => {
  it('ends with the reason, and leaves nothing there', async () => {
    const disk = mkdtempSync(join(tmpdir(), 'holdfast-tmpfs-'))
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'holdfast', disk]).status).toBe(0)
    try {
      const filler = Buffer.alloc(4096)
      let files = 0
      try {
        for (; files < 100; files++) writeFileSync(join(disk, `filler-${files}`), filler)
      } catch {}
      const before = readdirSync(disk).sort()
      // Only what it says before it writes is asked of a server.
      const server = createServer((_message, response) => response.end('{"data":[]}'))
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
      const args = [main, 'flows', 'load', folder.path, '--clickhouse', url]
      const { code, stderr, stdout } = await run(process.execPath, args, { env: { TMPDIR: disk } })
      server.close()
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
      expect(stderr).toContain('no room left')
      expect(readdirSync(disk).sort()).toEqual(before)
    } finally {
      spawnSync('umount', [disk])
      rmSync(disk, { recursive: true, force: true })
    }
  })
})
