/** The files of a collector's folder that hold for good, for questions and for loading them elsewhere. */
import { realpath, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { readCommit } from '../collect/commit.ts'
import { commitPath, type Hour, hoursOf, rangeFiles } from '../collect/folder.ts'
import type { Layer, StoredHour } from './question.ts'

export type CollectedHour = {
  readonly hour: Hour
  readonly paths: readonly string[]
  /** The last segment in it. */
  readonly through: number
}

export type Collected = Readonly<Record<Layer, readonly CollectedHour[]>> & {
  /** The folder's own name. */
  readonly name: string
}

/** Throws `bad-input` for what is no folder, or one that no collector has stored anything in. */
export async function collectedIn(folder: string): Promise<Collected> {
  const found = await stat(folder).catch(() => null)
  if (found === null) throw bad(`${folder}: no such folder`)
  if (!found.isDirectory()) throw bad(`${folder} is a file: name the folder of a collector`)
  const { through } = await readCommit(folder)
  const hours = async (layer: Layer, last: number): Promise<CollectedHour[]> => {
    const some: CollectedHour[] = []
    for (const hour of await hoursOf(folder, layer)) {
      const files = (await rangeFiles(folder, layer, hour)).filter(file => file.through <= last)
      if (files.length === 0) continue
      some.push({ hour, paths: files.map(({ path }) => path), through: files.at(-1)!.through })
    }
    return some
  }
  // Single records count when their segment is committed; what was rolled up was.
  const raw = await hours('raw', through)
  const rollup = await hours('rollup', Number.POSITIVE_INFINITY)
  if (through === 0 && (rollup.length > 0 || (await hoursOf(folder, 'raw')).length > 0))
    throw bad(
      `${commitPath(folder)} is missing or says nothing yet: which of these files are whole is not known without it`,
    )
  if (raw.length === 0 && rollup.length === 0) throw bad(`${folder}: no collector has stored flows there`)
  return { name: basename(await realpath(folder)), raw, rollup }
}

export function storedHours(collected: Collected): StoredHour[] {
  return (['raw', 'rollup'] as const).flatMap(layer =>
    collected[layer].map(({ hour, through }) => ({
      ...{ collector: collected.name, layer, hour, through, isPartial: false },
    })),
  )
}

function bad(message: string): HoldfastError {
  return new HoldfastError('bad-input', message)
}
