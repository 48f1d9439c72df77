/**
 * Makes the verifier for those who do not run our TypeScript: `dist/verify.js` (`import … from 'holdfast/verify'`, one
 * file without imports) with its types, and `dist/verify.html`, a page that works from a file. Does nothing when they
 * are newer than their sources.
 */
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const sources = [
  'src/verify/*.ts',
  'src/core/*.ts',
  'src/crypto/*.ts',
  'src/verify-library.ts',
  'console/verify/*',
  'tools/build-verify.ts',
]

if (!isFresh()) await build()

function isFresh(): boolean {
  const made = join(dist, 'verify.html')
  if (!existsSync(made)) return false
  const madeMs = statSync(made).mtimeMs
  return globSync(sources, { cwd: root }).every(name => statSync(join(root, name)).mtimeMs < madeMs)
}

async function build(): Promise<void> {
  // Under another name until it is whole: two set-ups may run at once.
  const work = join(root, `dist.${process.pid}`)
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  writeFileSync(join(work, 'verify.js'), await bundle('src/verify-library.ts', 'es'))
  const types = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
      '--project',
      join(root, 'tsconfig.verify.json'),
      '--outDir',
      join(work, 'types'),
    ],
    { stdio: 'inherit' },
  )
  if (types.status !== 0) throw new Error('the types of holdfast/verify could not be made')
  const page = await bundle('console/verify/page.ts', 'iife')
  const template = readFileSync(join(root, 'console', 'verify', 'index.html'), 'utf8')
  // `</script` inside a string of the script would end it.
  const script = page.replaceAll('</script', '<\\/script')
  writeFileSync(
    join(work, 'verify.html'),
    template.replace('/*SCRIPT*/', () => script),
  )
  rmSync(dist, { recursive: true, force: true })
  renameSync(work, dist)
}

async function bundle(input: string, format: 'es' | 'iife'): Promise<string> {
  const built = await rolldown({ input: join(root, input), platform: 'browser', logLevel: 'warn' })
  const { output } = await built.generate({ format, minify: format === 'iife' })
  await built.close()
  if (output.length !== 1) throw new Error(`${input} became more than one file`)
  return output[0].code
}
