/**
 * `npm run conformance`: the cases of `test/conformance` against any S3 endpoint, or against a Ceph RGW that it starts
 * (Debian's packages must be there). Prints what differs, and whether the difference is a known one.
 *   node tools/conformance.ts --ceph
 *   node tools/conformance.ts --endpoint URL,ACCESS_KEY,SECRET[,REGION]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { externalTarget, startCeph } from '../bench/targets.ts'
import { cases } from '../test/conformance/cases.ts'
import { cephDiffers } from '../test/conformance/ceph.ts'
import { createHarness } from '../test/conformance/harness.ts'
import { createS3 } from '../test/support/s3.ts'

const { values } = parseArgs({ options: { ceph: { type: 'boolean' }, endpoint: { type: 'string' } } })
const folder = mkdtempSync(join(tmpdir(), 'holdfast-conformance-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
const started =
  values.endpoint === undefined ? await startCeph(folder) : externalTarget(`it=${values.endpoint}`)
if (started === null)
  throw new Error('Ceph is not installed here: ceph-mon ceph-mgr ceph-osd radosgw ceph-common')
await using target = started
const harness = createHarness(createS3(target.endpoint, target.credentials))

let same = 0
const known: string[] = []
const unknown: string[] = []
const stale: string[] = []
for (const { operation, name, run } of cases) {
  const title = `${operation}: ${name}`
  const ceph = cephDiffers[title]
  try {
    await run(harness)
    same++
    if (ceph !== undefined && values.ceph === true) stale.push(`${title} (${ceph})`)
  } catch (error) {
    const what = String(error instanceof Error ? error.message : error).split('\n', 1)[0]
    if (ceph === undefined || values.ceph !== true) unknown.push(`${title}\n      ${what}`)
    else known.push(`${title}: ${ceph}\n      ${what}`)
  }
}
const list = (head: string, lines: readonly string[]): void => {
  if (lines.length > 0) console.log(`${head}\n${lines.map(line => `  ${line}`).join('\n')}`)
}
list('differs, and it is known why:', known)
list('differs:', unknown)
list('no longer differs:', stale)
console.log(
  `${cases.length} cases: ${same} the same, ${known.length} differ as explained, ${unknown.length} differ`,
)
process.exitCode = unknown.length > 0 ? 1 : 0
