/**
 * Runs every test and says how many there were, in one last line. Exits 1 when one failed or none ran. Arguments are
 * passed on to vitest.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly ancestorTitles: readonly string[]
      readonly status: string
    }[]
  }[]
}

const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-report-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const reportPath = join(folder, 'report.json')

const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`]
const ran = spawnSync(process.execPath, [vitest, 'run', ...reporters, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})

const counts = { passed: 0, failed: 0, skipped: 0, notAvailable: 0 }
const noVectors = !existsSync(join(root, '..', 'shared', 'vectors'))
const skipped = new Set<string>()

if (existsSync(reportPath)) {
  const report = JSON.parse(readFileSync(reportPath, 'utf8')) as Report
  for (const { name, status, assertionResults } of report.testResults) {
    // A file that could not be loaded, or whose set-up failed, has no failed test to show for it.
    if (status === 'failed' && !assertionResults.some(test => test.status === 'failed')) {
      counts.failed++
      console.log(`failed outside its tests: ${name}`)
    }
    for (const test of assertionResults) {
      const suite = test.ancestorTitles[0] ?? test.fullName
      if (test.status === 'passed') counts.passed++
      else if (test.status === 'failed') counts.failed++
      else if (noVectors && suite.startsWith('vectors:')) counts.notAvailable++
      else if (suite.startsWith('this machine may not ')) counts.notAvailable++
      else {
        counts.skipped++
        skipped.add(suite)
      }
    }
  }
} else {
  counts.failed++
  console.log('vitest ended without a report')
}

// An error that no test awaited fails the run and is nobody's failed test.
if (ran.status !== 0 && counts.failed === 0) {
  counts.failed++
  console.log(`failed outside its tests: vitest ended with ${ran.status ?? ran.signal}`)
}
for (const suite of skipped) console.log(`skipped: ${suite}`)
const { passed, failed, notAvailable } = counts
console.log(`${passed} passed, ${failed} failed, ${counts.skipped} skipped, ${notAvailable} not available`)
process.exitCode = failed > 0 || passed === 0 ? 1 : 0
