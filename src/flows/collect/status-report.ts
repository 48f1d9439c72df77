/** What a collector's folder holds and what did not get into it: for people and for programs. */
import { isoTime } from '../../core/time.ts'
import { humanCount } from '../report/units.ts'
import { type Commit, readCommit } from './commit.ts'
import {
  type ExportLoss,
  exportLosses,
  lossByProtocol,
  otherLosses,
  type ProtocolLoss,
} from './export-loss.ts'
import { hourName, hoursOf } from './folder.ts'
import type { Unwritten } from './spool.ts'
import { type CollectorStatus, readStatus } from './status.ts'
import { storedIn } from './stored.ts'

export type StatusReport = {
  readonly state: 'running' | 'stopped' | 'not heard of'
  readonly updated: string | null
  readonly listen: readonly string[]
  readonly faults: readonly string[]
  readonly stored: {
    readonly datagrams: number
    readonly decoded: number
    readonly inSpool: number
    readonly setAside: number
    readonly records: number
    /** The first and the last hour. */
    readonly raw: readonly string[]
    readonly rollUps: readonly string[]
  }
  readonly lost: {
    /** Numbered by exporters and never seen, in each protocol's own unit. Kernel drops and `notStored` are among them. */
    readonly byProtocol: readonly ProtocolLoss[]
    /** Lost for other reasons, in words. */
    readonly otherwise: Commit['notes']['lost']
    /** Arrived, and could not be stored. */
    readonly notStored: Unwritten
    /** `null`: not known of every run. */
    readonly kernelDrops: number | null
  }
  readonly unread: Commit['notes']['unread']
  readonly remarks: readonly string[]
  readonly exporters: readonly ExporterStatus[]
  readonly alerts: number
}

export type ExporterStatus = {
  readonly exporter: string
  readonly datagrams: number
  readonly records: number
  readonly last: string
  /** `null`: its protocol numbers nothing, or nothing of it was numbered, so what was lost is unknown. */
  readonly lost: readonly Omit<ExportLoss, 'exporter'>[] | null
}

/** A collector that runs says so every second. */
const heardMs = 10_000

export async function statusOf(folder: string, nowUnixMs: number): Promise<StatusReport> {
  const status = await readStatus(folder)
  const commit = await readCommit(folder)
  const stored = await storedIn(folder, commit)
  const losses = exportLosses(commit.notes.lost)
  const numbered = exportersNumbered(commit)
  return {
    state: stateOf(status, nowUnixMs),
    updated: status.updatedUnixMs === 0 ? null : isoTime(status.updatedUnixMs),
    listen: status.listen,
    faults: status.faults,
    stored: {
      datagrams: stored.decoded + stored.inSpool + stored.setAside,
      ...stored,
      records: commit.records,
      raw: await hours(folder, 'raw'),
      rollUps: await hours(folder, 'rollup'),
    },
    lost: {
      byProtocol: lossByProtocol(losses),
      otherwise: otherLosses(commit.notes.lost),
      notStored: status.unwritten,
      kernelDrops: status.mayHaveMoreDrops ? null : status.kernelDrops,
    },
    unread: commit.notes.unread,
    remarks: commit.notes.remarks,
    exporters: commit.exporters.map(({ exporter, datagrams, records, lastUnixMs }) => ({
      exporter,
      datagrams,
      records,
      last: isoTime(lastUnixMs),
      lost: numbered.has(exporter)
        ? losses.filter(loss => loss.exporter === exporter).map(({ exporter: _, ...loss }) => loss)
        : null,
    })),
    alerts: status.alerts,
  }
}

/** Exporters of which a number was seen: of those alone, no gap means no loss. */
function exportersNumbered({ decoder, notes }: Commit): ReadonlySet<string> {
  const streams = (decoder?.streams ?? []).map(({ stream }) => ({ reason: stream, count: 0, bytes: 0 }))
  return new Set(exportLosses([...streams, ...notes.lost]).map(({ exporter }) => exporter))
}

function stateOf(
  { updatedUnixMs, stoppedUnixMs }: CollectorStatus,
  nowUnixMs: number,
): StatusReport['state'] {
  if (stoppedUnixMs !== null) return 'stopped'
  return Math.abs(nowUnixMs - updatedUnixMs) < heardMs ? 'running' : 'not heard of'
}

async function hours(folder: string, kind: 'raw' | 'rollup'): Promise<readonly string[]> {
  const names = (await hoursOf(folder, kind)).filter(hour => hour !== null).map(hourName)
  return names.length < 2 ? names : [names[0]!, names.at(-1)!]
}

const shownExporters = 30

export function describeStatus(report: StatusReport): string {
  const { stored, lost } = report
  const lines = [
    `Collector: ${report.state}${report.updated === null ? '' : `, last word ${report.updated}`}`,
    ...report.listen.map(address => `  listens on ${address}`),
    ...report.faults.map(fault => `  fault: ${fault}`),
    `Stored: ${humanCount(stored.datagrams)} datagrams, of which ${humanCount(stored.inSpool)} wait to be decoded`,
    `  ${humanCount(stored.records)} records; raw ${span(stored.raw)}; roll-ups ${span(stored.rollUps)}`,
  ]
  if (stored.setAside > 0)
    lines.push(`  ${humanCount(stored.setAside)} datagrams in segments that could not be decoded (failed/)`)
  lines.push('Lost:')
  for (const { protocol, unit, lost: count } of lost.byProtocol) {
    // The samples among them are also those that agents say they dropped, which have no numbers.
    const numbered = unit === 'samples' ? 'numbered, or say that they dropped,' : 'numbered'
    lines.push(
      `  ${humanCount(count)} ${unit} of ${protocol} that exporters ${numbered} and that never came to be stored`,
    )
  }
  for (const { reason, count } of lost.otherwise) lines.push(`  ${reason} (${humanCount(count)})`)
  const { datagrams, records, datagramsOfUnknownRecords } = lost.notStored
  const known = datagrams - datagramsOfUnknownRecords
  lines.push(
    `  ${humanCount(datagrams)} datagrams arrived and could not be stored${
      datagrams === 0
        ? ''
        : ` (${humanCount(known)} of them with ${humanCount(records)} records${datagramsOfUnknownRecords === 0 ? '' : `, of ${humanCount(datagramsOfUnknownRecords)} unknown`})`
    }`,
    `  ${lost.kernelDrops === null ? 'an unknown number of' : humanCount(lost.kernelDrops)} datagrams thrown away by the kernel`,
  )
  for (const { reason, count } of report.unread) lines.push(`  not read: ${reason} (${humanCount(count)})`)
  lines.push('Exporters:')
  const busiest = report.exporters.toSorted((a, b) => b.datagrams - a.datagrams)
  for (const exporter of busiest.slice(0, shownExporters)) lines.push(`  ${describeExporter(exporter)}`)
  if (busiest.length > shownExporters) lines.push(`  and ${busiest.length - shownExporters} more (--json)`)
  return `${lines.join('\n')}\n`
}

function describeExporter({ exporter, datagrams, records, last, lost }: ExporterStatus): string {
  const losses = lost?.map(
    ({ protocol, part, unit, lost: count }) =>
      `${humanCount(count)} ${unit} of ${[protocol, part].join(' ').trim()}`,
  )
  const said =
    losses === undefined ? 'lost: unknown' : `lost: ${losses.length === 0 ? 'none' : losses.join(', ')}`
  return `${exporter}  ${humanCount(datagrams)} datagrams, ${humanCount(records)} records, last ${last}, ${said}`
}

function span(hours: readonly string[]): string {
  return hours.length === 0 ? 'none' : hours.join(' to ')
}
