/**
 * Runs the model of a transfer (`test/support/transfer-run.ts`) many times: `npm run model -- [RUNS] [FIRST SEED]`. Prints
 * what broke a promise with the seed that shows it again, and what became of the rest. Exits 1 when anything broke.
 */
import { createTransferParts } from '../test/support/transfer-parts.ts'
import { planOf } from '../test/support/transfer-plans.ts'
import { runTransferOnce } from '../test/support/transfer-run.ts'

const runs = Number(process.argv[2] ?? 10_000)
const first = Number(process.argv[3] ?? 1)
const parts = createTransferParts()
const states = new Map<string, number>()
let broken = 0
let writes = 0
let calls = 0
const began = Date.now()
for (let seed = first; seed < first + runs; seed++) {
  const outcome = await runTransferOnce(parts, planOf(seed))
  states.set(outcome.state, (states.get(outcome.state) ?? 0) + 1)
  writes += outcome.writes['in-mumbai'] + outcome.writes['de-frankfurt']
  calls += outcome.calls
  if (outcome.faults.length === 0) continue
  broken++
  console.log(`seed ${seed}: ${outcome.faults.join('; ')}`)
}
const seconds = Math.round((Date.now() - began) / 1000)
const ends = [...states].map(([state, count]) => `${count} ${state}`).join(', ')
console.log(
  `${runs} runs from seed ${first} in ${seconds} s: ${ends}; ${writes} writes, ${calls} calls between regions`,
)
console.log(`${runs - broken} kept every promise, ${broken} broke one`)
process.exitCode = broken === 0 ? 0 : 1
