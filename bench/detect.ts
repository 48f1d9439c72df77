/**
 * How well detection beside volume tells: `node bench/detect.ts [--seeds 20] [--from 1000] [--keep NAME]` (`--seeds 0` for the
 * cost alone, `--honest` for honest servers alone). Each seed
 * makes honest servers of five profiles and, for each way to hide, an honest server that also does that, 30 days each.
 * Found means: 50 points or more, of the kind in question, at an address that it used. A false alarm is 50 points or
 * more anywhere else. Then the cost of a connection, one thread.
 */
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { CountryCode } from '../src/core/ids.ts'
import type { Detection } from '../src/flows/detect/detection.ts'
import { isInnocent } from '../src/flows/detect/innocence.ts'
import { createPairColumns } from '../src/flows/detect/pair-columns.ts'
import { createServerDetector } from '../src/flows/detect/server-detector.ts'
import { guiltyWays } from '../test/support/guilty-traffic.ts'
import { innocentProfiles, watchedProfiles } from '../test/support/innocent-traffic.ts'
import { createDice, createTraffic, dayMs, periodFrom, placeIn } from '../test/support/traffic.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1000' },
    keep: { type: 'string' },
    honest: { type: 'boolean', default: false },
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
for (const [way, hide] of values.honest ? [] : Object.entries(guiltyWays)) {
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
say(`${model}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}, one thread`)
say('')
/** Rows straight into columns, as the audit streams them; then the detectors alone. */
function cost(name: string, pairs: number, rowsOfPair: number, gapMs: number): void {
  const dice = createDice(7)
  const columns = createPairColumns()
  const detector = createServerDetector({
    server: 's',
    home: 'IN' as CountryCode,
    periodFromUnixMs: periodFrom,
    periodUntilUnixMs: periodFrom + 30 * dayMs,
    utcOffsetMinutes: 330,
    known: null,
  })
  const domesticBytesByHour = new Float64Array(721)
  let addMs = 0
  let detectMs = 0
  // Rounds of several pairs: the processor's own count of time is too coarse for one of three rows.
  const round = Math.max(1, Math.ceil(20_000 / rowsOfPair))
  const rowColumns = Array.from({ length: Math.min(round, pairs) }, () => {
    let at = periodFrom + dice.between(0, dayMs)
    return Float64Array.from({ length: rowsOfPair * 2 }, (_, i) =>
      i % 2 ? dice.between(500, 9000) : (at += dice.exponential(gapMs)),
    )
  })
  for (let first = 0; first < pairs; first += round) {
    const add = (index: number) => {
      const rows = rowColumns[index]!
      columns.clear()
      for (let i = 0; i < rowsOfPair; i++) {
        const bytes = rows[2 * i + 1]!
        columns.add(rows[2 * i]!, rows[2 * i]! + 300, bytes, 6, bytes, 6, 32_768 + (i % 28_000), 443)
      }
    }
    const begun = process.cpuUsage()
    for (let i = 0; i < rowColumns.length; i++) add(i)
    const added = process.cpuUsage()
    for (let i = 0; i < rowColumns.length; i++) {
      add(i)
      const pair = first + i
      const dstAddr = `203.${(pair >> 16) & 255}.${(pair >> 8) & 255}.${pair & 255}`
      detector.pair({
        dstAddr,
        place: placeIn('US', pair % 500),
        columns: columns.columns(),
        receivedBytes: 1000,
      })
    }
    const ended = process.cpuUsage()
    const spent = (from: NodeJS.CpuUsage, until: NodeJS.CpuUsage) =>
      (until.user + until.system - from.user - from.system) / 1000
    addMs += spent(begun, added)
    detectMs += spent(added, ended) - spent(begun, added)
  }
  detector.finish({ domesticBytesByHour })
  const each = (ms: number) => ((ms * 1000) / (pairs * rowsOfPair)).toFixed(2)
  say(
    `| ${name} | ${pairs * rowsOfPair} | ${each(addMs)} | ${each(detectMs)} | ${((addMs + detectMs) / 1000).toFixed(2)} |`,
  )
}
say('| traffic | connections | columns, µs each | detection, µs each | seconds of processor in all |')
say('| --- | --- | --- | --- | --- |')
// The first round warms up.
cost('warming up', 50, 20_000, 60_000)
cost('50 addresses, 40 000 each', 50, 40_000, 60_000)
cost('2000 addresses, 1000 each', 2000, 1000, 2_000_000)
cost('300 000 addresses, 3 each', 300_000, 3, 86_400_000)
cost('1 address, 5 million', 1, 5_000_000, 500)
if (values.keep !== undefined) {
  writeFileSync(join(import.meta.dirname, 'results', `${values.keep}.md`), `${lines.join('\n')}\n`)
}
