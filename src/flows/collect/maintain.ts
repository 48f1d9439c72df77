/**
 * What happens to Parquet files after they are written: an hour that is over is rolled up and merged into few files, and
 * what is older than asked for is removed. Nothing raw is removed before the roll-up that covers it is on disk.
 */
import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { messageOf } from '../../core/errors.ts'
import { isoTime } from '../../core/time.ts'
import { isMissing, syncFolder } from '../../store/durable-file.ts'
import type { InputNotes } from '../decode/notes.ts'
import type { Duck } from '../engine/duck.ts'
import { parquetFiles } from '../engine/parquet-files.ts'
import { parquetNotes } from '../engine/parquet-notes.ts'
import { type AlertPlan, createAlerts } from './alerts.ts'
import { agrees, type ClockReading, createClockTrust } from './clock-trust.ts'
import {
  type Hour,
  hourFolder,
  hourMs,
  hoursOf,
  namesIn,
  type RangeFile,
  rangeFiles,
  rangePath,
  supersededFiles,
} from './folder.ts'
import { addNotes, noNotes } from './note-counts.ts'
import { copyDurable } from './raw-parquet.ts'
import { createRollUp, type RollUpPlan } from './roll-up.ts'

export type MaintenancePlan = {
  readonly keepRawMs: number
  readonly keepRollUpMs: number
  /** An hour is over so long after its end, for exporters send late. */
  readonly closeAfterMs: number
  readonly rollUp: RollUpPlan
  readonly alerts: AlertPlan | null
}

export type MaintenanceTurn = ClockReading & { readonly through: number }

/** Late records are added by a further file, and no more often than this. */
const lateEveryMs = hourMs
/** Files smaller than this on average are merged: opening one costs more than reading it. */
const smallBytes = 8 * 1024 * 1024

export function createMaintenance(folder: string, duck: Duck, plan: MaintenancePlan) {
  /** By hour, of this run: when it was rolled up last. */
  const rolledUnixMs = new Map<Hour, number>()
  const clock = createClockTrust(folder)
  const rollUp = createRollUp(duck, plan.rollUp)
  const alerts = plan.alerts === null ? null : createAlerts(duck, folder, plan.alerts)

  return {
    /** `through`: the last segment whose files are whole. Answers the first fault, after everything else is done. */
    async run(at: MaintenanceTurn): Promise<{ readonly alerts: number; readonly fault: string | null }> {
      let said = 0
      const faults: string[] = []
      /** What fails at one hour must not keep the others from their turn. */
      const attempt = async (act: () => Promise<void>): Promise<void> => {
        try {
          await act()
        } catch (error) {
          faults.push(messageOf(error))
        }
      }
      const hours = await hoursOf(folder, 'raw')
      const expectedUnixMs = await clock.doubt(at)
      const mayRemove = expectedUnixMs === null && hours.some(hour => isOfAbout(hour, at.nowUnixMs))
      for (const hour of hours)
        await attempt(async () => {
          await removeParts(hour)
          for (const { path } of await supersededFiles(folder, 'raw', hour)) await rm(path, { force: true })
          const files = (await rangeFiles(folder, 'raw', hour)).filter(({ through }) => through <= at.through)
          said += await rollUpHour(hour, files, at.nowUnixMs)
          const rolled = await rolledThrough(hour)
          await merge(
            hour,
            files.filter(({ through }) => through <= rolled),
          )
          if (mayRemove) await removeRaw(hour, rolled, at.nowUnixMs)
        })
      if (mayRemove)
        for (const hour of await hoursOf(folder, 'rollup'))
          await attempt(() => removeRollUp(hour, at.nowUnixMs))
      await attempt(() => clock.record())
      if (expectedUnixMs !== null)
        faults.push(
          `nothing is removed: the clock says ${isoTime(at.nowUnixMs)}, and about ${isoTime(expectedUnixMs)} was expected`,
        )
      return { alerts: said, fault: faults[0] ?? null }
    },
  }

  /** What a crash or a full disk left half-written. */
  async function removeParts(hour: Hour): Promise<void> {
    for (const kind of ['raw', 'rollup'] as const) {
      const inside = hourFolder(folder, kind, hour)
      for (const name of await namesIn(inside)) if (name.endsWith('.part')) await rm(join(inside, name))
    }
  }

  async function rolledThrough(hour: Hour): Promise<number> {
    return Math.max(0, ...(await rangeFiles(folder, 'rollup', hour)).map(({ through }) => through))
  }

  async function rollUpHour(hour: Hour, files: readonly RangeFile[], nowUnixMs: number): Promise<number> {
    const before = await rangeFiles(folder, 'rollup', hour)
    const rolled = Math.max(0, ...before.map(({ through }) => through))
    const fresh = files.filter(({ from }) => from > rolled)
    if (fresh.length === 0) return 0
    if (hour !== null && (hour + 1) * hourMs + plan.closeAfterMs > nowUnixMs) return 0
    if (nowUnixMs - (rolledUnixMs.get(hour) ?? 0) < lateEveryMs) return 0
    rolledUnixMs.set(hour, nowUnixMs)
    const range = { from: fresh[0]!.from, through: Math.max(...fresh.map(({ through }) => through)) }
    const path = rangePath(folder, 'rollup', hour, range)
    const paths = fresh.map(file => file.path)
    return await rollUp(paths, path, async rows => (hour === null ? 0 : ((await alerts?.(hour, rows)) ?? 0)))
  }

  async function merge(hour: Hour, files: readonly RangeFile[]): Promise<void> {
    if (files.length < 2) return
    let bytes = 0
    let notes: InputNotes = noNotes
    for (const { path } of files) bytes += (await stat(path)).size
    if (bytes / files.length >= smallBytes) return
    for (const { path } of files) notes = addNotes(notes, (await parquetNotes(duck, path)) ?? noNotes)
    const range = { from: files[0]!.from, through: Math.max(...files.map(({ through }) => through)) }
    const sql = `SELECT * FROM ${parquetFiles(files.map(({ path }) => path))} ORDER BY src_addr, dst_addr, "start"`
    await copyDurable(duck, sql, rangePath(folder, 'raw', hour, range), notes, 'zstd')
    // From here on the names say that the merged file stands for these.
    for (const { path } of files) await rm(path)
  }

  async function removeRaw(hour: Hour, rolled: number, nowUnixMs: number): Promise<void> {
    for (const { path, through } of await rangeFiles(folder, 'raw', hour)) {
      const endUnixMs = hour === null ? await changedUnixMs(path) : (hour + 1) * hourMs
      if (through <= rolled && nowUnixMs - endUnixMs > plan.keepRawMs) await rm(path)
    }
    await removeEmpty(hourFolder(folder, 'raw', hour))
  }

  async function removeRollUp(hour: Hour, nowUnixMs: number): Promise<void> {
    // As long as something raw is there, the names of its roll-ups say that it was rolled up.
    if ((await rangeFiles(folder, 'raw', hour)).length > 0) return
    for (const { path } of await rangeFiles(folder, 'rollup', hour)) {
      const endUnixMs = hour === null ? await changedUnixMs(path) : (hour + 1) * hourMs
      if (nowUnixMs - endUnixMs > plan.keepRollUpMs) await rm(path)
    }
    await removeEmpty(hourFolder(folder, 'rollup', hour))
  }
}

/** Where nothing arrives any more, what is there is all that there will be, and nothing is removed. */
function isOfAbout(hour: Hour, unixMs: number): boolean {
  return hour !== null && agrees(hour * hourMs, unixMs)
}

async function changedUnixMs(path: string): Promise<number> {
  return (await stat(path)).mtimeMs
}

async function removeEmpty(path: string): Promise<void> {
  if ((await namesIn(path)).length > 0) return
  await rm(path, { recursive: true }).catch(error => {
    if (!isMissing(error)) throw error
  })
  await syncFolder(dirname(path))
}
