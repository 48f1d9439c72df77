/**
 * How well detection beside volume tells: `node bench/detect.ts [--seeds 20] [--from 1000] [--keep NAME]`. Each seed
 * makes honest servers of five profiles and, for each way to hide, an honest server that also does that, 30 days each.
 * Found means: 50 points or more, of the kind in question, at an address that it used. A false alarm is 50 points or
 * more anywhere else. Then the cost of a connection, one thread.
 */
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Detection } from '../src/flows/detect/detection.ts'
import { isInnocent } from '../src/flows/detect/innocence.ts'
import { guiltyWays } from '../test/support/guilty-traffic.ts'
import { innocentProfiles, watchedProfiles } from '../test/support/innocent-traffic.ts'
import { createTraffic } from '../test/support/traffic.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1000' },
    keep: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
})
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => Number(values.from) + i)
const least = 50
const profiles = Object.keys(innocentProfiles) as (keyof typeof innocentProfiles)[]
const lines: string[] = []
const say = (line: string) => {
  console.log(line)
  lines.push(line)
}

const falseAlarms = new Map<string, number>()
const trueAlarms = new Map<string, number>()
const note = (counts: Map<string, number>, kind: string) => counts.set(kind, (counts.get(kind) ?? 0) + 1)
const show = (where: string, found: Detection) => {
  if (values.verbose) console.log(`  ${where}: ${found.kind} ${found.score}: ${found.reason}`)
}

say(`## Honest servers, ${seeds.length} of each profile, 30 days`)
say('')
say('| profile | innocent | with a false alarm | false alarms by kind |')
say('| --- | --- | --- | --- |')
for (const profile of profiles) {
  let innocent = 0
  let alarmed = 0
  const kinds = new Map<string, number>()
  for (const seed of seeds) {
    const traffic = createTraffic(seed * 31 + profiles.indexOf(profile))
    innocentProfiles[profile](traffic)
    const { detections, summary } = traffic.detect()
    const verdict = isInnocent(summary, detections)
    if (verdict.isInnocent) innocent += 1
    else if (values.verbose) console.log(`  ${profile} ${seed}: ${verdict.reasons.join('\n    ')}`)
    const alarms = detections.filter(({ score }) => score >= least)
    if (alarms.length > 0) alarmed += 1
    for (const found of alarms) {
      note(kinds, found.kind)
      note(falseAlarms, found.kind)
      show(`${profile} ${seed}`, found)
    }
  }
  const text = [...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')
  say(`| ${profile} | ${innocent} of ${seeds.length} | ${alarmed} | ${text} |`)
}

say('')
say('Honest and to be marked as expected, for no record tells them from what hides:')
say('')
say('| profile | highest score | detections of 50 points or more, by kind |')
say('| --- | --- | --- |')
for (const [name, make] of Object.entries(watchedProfiles)) {
  let highest = 0
  const kinds = new Map<string, number>()
  for (const seed of seeds) {
    const traffic = createTraffic(seed * 37 + name.length)
    make(traffic)
    for (const found of traffic.detect().detections) {
      highest = Math.max(highest, found.score)
      if (found.score >= least) note(kinds, found.kind)
    }
  }
  say(`| ${name} | ${highest} | ${[...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')} |`)
}

say('')
say('## Servers that hide something, on a quiet, exposed or web server')
say('')
say('| way | found by its detector | found by any | called innocent |')
say('| --- | --- | --- | --- |')
for (const [way, hide] of Object.entries(guiltyWays)) {
  const kind = way.split(',')[0]!
  let own = 0
  let any = 0
  let innocent = 0
  for (const seed of seeds) {
    const profile = (['quiet', 'exposed', 'web'] as const)[seed % 3]!
    const traffic = createTraffic(seed * 131 + way.length)
    innocentProfiles[profile](traffic)
    const targets = new Set(hide(traffic))
    const { detections, summary } = traffic.detect()
    const alarms = detections.filter(({ score }) => score >= least)
    // A finding about the whole server or a network is about what hides, if an honest one has none.
    const isTrue = ({ destination, evidence }: Detection) =>
      destination === null
        ? evidence.isAnswers !== 1
        : destination.address === null || targets.has(destination.address)
    for (const found of alarms) {
      if (isTrue(found)) note(trueAlarms, found.kind)
      else {
        note(falseAlarms, found.kind)
        show(`${way} ${seed}`, found)
      }
    }
    if (alarms.some(found => found.kind === kind && isTrue(found))) own += 1
    else if (values.verbose) {
      const near = detections.find(found => found.kind === kind && isTrue(found))
      console.log(
        `  missed ${way} ${seed} on ${profile}: ${near === undefined ? '' : `${near.score} ${near.reason} ${JSON.stringify(near.evidence)}`}`,
      )
    }
    if (alarms.some(isTrue)) any += 1
    if (isInnocent(summary, detections).isInnocent) innocent += 1
  }
  say(`| ${way} | ${own} of ${seeds.length} | ${any} | ${innocent} |`)
}

say('')
say('| detector | true alarms | false alarms | precision |')
say('| --- | --- | --- | --- |')
for (const kind of [...new Set([...trueAlarms.keys(), ...falseAlarms.keys()])].sort()) {
  const [right, wrong] = [trueAlarms.get(kind) ?? 0, falseAlarms.get(kind) ?? 0]
  say(`| ${kind} | ${right} | ${wrong} | ${(right / (right + wrong)).toFixed(3)} |`)
}

say('')
say('## Cost')
say('')
const { model } = cpus()[0]!
say(
  `${model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}, one thread; columns and detection together`,
)
say('')
for (const [name, profile] of [
  ['web', innocentProfiles.web],
  ['exposed', innocentProfiles.exposed],
] as const) {
  const traffic = createTraffic(7)
  profile(traffic)
  traffic.detect()
  const begun = performance.now()
  const rounds = 3
  for (let i = 0; i < rounds; i++) traffic.detect()
  const micros = ((performance.now() - begun) * 1000) / rounds / traffic.rows()
  say(
    `- ${name}: ${traffic.rows()} connections, ${micros.toFixed(2)} µs each (sorting of the test's rows included)`,
  )
}
if (values.keep !== undefined) {
  writeFileSync(join(import.meta.dirname, 'results', `${values.keep}.md`), `${lines.join('\n')}\n`)
}
