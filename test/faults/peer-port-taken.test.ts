import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { stringify } from 'yaml'
import { run } from '../support/child.ts'
import { freePorts } from '../support/free-ports.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')

it('does not start where the port for other regions is taken, and says which', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'))
  const [s3, api, first, taken] = (await freePorts(4)) as [number, number, number, number]
  const other = createServer().listen(taken, '127.0.0.1')
  try {
    const region = (id: string, country: string, port: number) => ({
      ...{ id, country, operator: 'test', peer: { host: '127.0.0.1', port } },
    })
    const config = {
      data: join(folder, 'data'),
      s3: { port: s3 },
      api: { port: api },
      regions: [region('in-mumbai', 'IN', first), region('de-frankfurt', 'DE', taken)],
    }
    const file = join(folder, 'holdfast.yaml')
    writeFileSync(file, stringify(config))
    for (const workers of [undefined, 0]) {
      writeFileSync(file, stringify({ ...config, ...(workers !== undefined && { workers }) }))
      const { code, stderr, stdout } = await run(process.execPath, [main, 'serve', '--config', file])
      expect({ workers, code, stdout }).toEqual({ workers, code: 1, stdout: '' })
      expect(stderr).toContain(`cannot listen on 127.0.0.1:${taken}`)
    }
  } finally {
    other.close()
    rmSync(folder, { recursive: true, force: true })
  }
})
