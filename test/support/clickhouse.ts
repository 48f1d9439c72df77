/** Debian's ClickHouse, on ports and in a folder of a test's own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from './free-ports.ts'

const program = 'clickhouse-server'

export type TestClickHouse = AsyncDisposable & {
  readonly url: string
  readonly query: (sql: string) => Promise<string>
}

export async function startClickHouse(): Promise<TestClickHouse> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-clickhouse-'))
  const [http, tcp] = await freePorts(2)
  const at = (name: string) => join(folder, name)
  writeFileSync(
    at('users.xml'),
    `<yandex>
  <profiles><default/></profiles>
  <users><default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota></default></users>
  <quotas><default/></quotas>
</yandex>`,
  )
  writeFileSync(
    at('config.xml'),
    `<yandex>
  <logger><level>warning</level><log>${at('log')}</log><errorlog>${at('errors')}</errorlog></logger>
  <http_port>${http}</http_port><tcp_port>${tcp}</tcp_port><listen_host>127.0.0.1</listen_host>
  <path>${folder}/</path><tmp_path>${at('tmp')}/</tmp_path><users_config>${at('users.xml')}</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>50000000</mark_cache_size><max_concurrent_queries>20</max_concurrent_queries>
</yandex>`,
  )
  const server = spawn(program, [`--config-file=${at('config.xml')}`], { cwd: folder, stdio: 'ignore' })
  const url = `http://127.0.0.1:${http}`
  const stop = async () => {
    await ended(server)
    rmSync(folder, { recursive: true, force: true })
  }
  for (let i = 0; ; i++) {
    const isUp = await fetch(`${url}/ping`).then(
      response => response.ok,
      () => false,
    )
    if (isUp) break
    if (i === 1000 || server.exitCode !== null) {
      const errors = readErrors(at('errors'))
      await stop()
      throw new Error(`${program} does not start: ${errors}`)
    }
    await sleep(100)
  }
  return {
    url,
    async query(sql) {
      const response = await fetch(url, { method: 'POST', body: sql })
      const text = await response.text()
      if (!response.ok) throw new Error(text)
      return text
    },
    [Symbol.asyncDispose]: stop,
  }
}

async function ended(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return
  const closed = once(server, 'close')
  server.kill('SIGKILL')
  await closed
}

function readErrors(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, 2000)
  } catch {
    return 'it says nothing'
  }
}
