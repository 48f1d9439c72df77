/** Real programs that tests drive: where they are, or that this machine has none. */

import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'

/** What `tools/setup-tests.sh` has built, since no package of Debian has it. */
const built = join(import.meta.dirname, '..', '..', 'node_modules', '.tools')

/** Full path of a program on the PATH, or of one that was built; `null` when there is none. */
export function findProgram(name: string): string | null {
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), built]) {
    const path = join(folder, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {}
  }
  return null
}

const known = new Map<string, boolean>()

/**
 * Whether a program is there and starts. `python3:boto3` is a module of Python. Being on the PATH is not enough: a
 * wrapper may stand there with nothing behind it.
 */
function runnable(name: string): boolean {
  const before = known.get(name)
  if (before !== undefined) return before
  const [program, module] = name.split(':') as [string, string?]
  const args = module === undefined ? (harmless[program] ?? ['--version']) : ['-c', `import ${module}`]
  const hasDevice = program !== 's3fs' || existsSync('/dev/fuse')
  const path = findProgram(program)
  const status = path === null ? null : spawnSync(path, args, { stdio: 'ignore' }).status
  const found = hasDevice && status === (statuses[program] ?? 0)
  known.set(name, found)
  return found
}

/** How to call those that have no `--version`, or for which starting is not enough: tracing may be forbidden. */
const harmless: Readonly<Record<string, readonly string[]>> = {
  restic: ['version'],
  openssl: ['version'],
  litewitness: ['-h'],
  'clickhouse-server': ['--help'],
  'ssh-agent': ['-h'],
  strace: ['-o', '/dev/null', 'true'],
}

/** How they end when they have said how they are called, where it is not with 0. */
const statuses: Readonly<Record<string, number>> = { 'clickhouse-server': 78 }

/** A suite that needs a program. Without it the suite is skipped under a title that says what was missing. */
export function describeWith(program: string, title: string, suite: () => void): void {
  if (needsMounts.has(program) && !mayMount()) describe.skip(`this machine may not mount: ${title}`, suite)
  else if (runnable(program)) describe(title, suite)
  else describe.skip(`needs ${program}: ${title}`, suite)
}

/** No package gives a process the right to mount, or the device that s3fs needs for it: such tests are not available. */
const needsMounts = new Set(['mount', 's3fs'])
let mounted: boolean | null = null

function mayMount(): boolean {
  if (mounted === null) {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-mount-'))
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'holdfast', folder], {
      stdio: 'ignore',
    })
    mounted = status === 0 && existsSync('/dev/fuse')
    spawnSync('umount', [folder], { stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
  }
  return mounted
}
