/** The checker in `test/go`, built with Go where there is Go and its modules can be had. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findProgram } from './program.ts'

const source = join(import.meta.dirname, '..', 'go')
const caches = join(import.meta.dirname, '..', '..', 'node_modules', '.tools', 'go')

/** Its path, or why there is none. Modules come from the module proxy the first time, from the cache after that. */
export function buildGoChecker(): { readonly path: string } | { readonly missing: string } {
  if (findProgram('go') === null) return { missing: 'needs go' }
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-go-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'checker')
  const build = (proxy: Readonly<Record<string, string>>) =>
    spawnSync('go', ['build', '-modcacherw', '-o', path, '.'], {
      cwd: source,
      timeout: 200_000,
      encoding: 'utf8',
      env: {
        ...process.env,
        GOFLAGS: '-mod=readonly -buildvcs=false',
        GOTOOLCHAIN: 'local',
        GOMODCACHE: join(caches, 'mod'),
        GOCACHE: join(caches, 'build'),
        ...proxy,
      },
    })
  if (build({ GOPROXY: 'off' }).status === 0) return { path }
  const { status, stderr } = build({})
  if (status === 0) return { path }
  // A program that does not compile is a failure; modules that cannot be had are not.
  if (!/dial tcp|lookup|timeout|proxy|connection|requires go/i.test(stderr)) throw new Error(stderr)
  return { missing: 'needs the modules of test/go' }
}
