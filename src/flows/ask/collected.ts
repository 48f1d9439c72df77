/** The files of a collector's folder that hold for good, for questions and for loading them elsewhere. */
import { basename, resolve } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { readCommit } from '../collect/commit.ts'
import { type Hour, hoursOf, rangeFiles } from '../collect/folder.ts'
import type { Layer } from './question.ts'

export type CollectedHour = { readonly hour: Hour; readonly paths: readonly string[] }

export type Collected = Readonly<Record<Layer, readonly CollectedHour[]>> & {
  /** The folder's own name. */
  readonly name: string
  /** Hours of single records that have no roll-up yet. */
  readonly notRolledUp: number
}

/** Throws `bad-input` for a folder that no collector has stored anything in. */
export async function collectedIn(folder: string): Promise<Collected> {
  const { through } = await readCommit(folder)
  const hours = async (layer: Layer, last: number): Promise<CollectedHour[]> => {
    const found: CollectedHour[] = []
    for (const hour of await hoursOf(folder, layer)) {
      const files = (await rangeFiles(folder, layer, hour)).filter(file => file.through <= last)
      if (files.length > 0) found.push({ hour, paths: files.map(({ path }) => path) })
    }
    return found
  }
  const raw = await hours('raw', through)
  const rollup = await hours('rollup', Number.POSITIVE_INFINITY)
  if (raw.length === 0 && rollup.length === 0)
    throw new HoldfastError('bad-input', `${folder}: no collector has stored flows there`)
  const rolled = new Set(rollup.map(({ hour }) => hour))
  const notRolledUp = raw.filter(({ hour }) => !rolled.has(hour)).length
  return { name: basename(resolve(folder)), raw, rollup, notRolledUp }
}
