import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { exportersMissing } from '../support/exporters.ts'

const why = exportersMissing()
const root = join(import.meta.dirname, '..', '..')

describe.skipIf(why !== '')(`the tour${why}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tour-'))
  afterAll(() => {
    // tcpdump gives up its rights and owns its file: the folder goes all the same, as root or as its owner.
    spawnSync('chmod', ['-R', 'u+w', folder])
    rmSync(folder, { recursive: true, force: true })
  })

  it('plays through, and its audit names both rogues and nobody else', async () => {
    const env = { ...process.env, HOLDFAST_TOUR: join(folder, 'out') }
    const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'tools', 'tour.ts')], { env })
    expect(stdout).toContain('✔ mumbai-7')
    expect(stdout).not.toContain('✖')
    const page = readFileSync(join(folder, 'out', 'report.html'), 'utf8')
    expect(page).toContain('mumbai-7')
    // Stands alone: nothing in it is fetched from anywhere.
    expect(page).not.toMatch(/\bsrc=|url\(|@import|<link/)
  })
})
