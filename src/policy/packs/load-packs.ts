import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { type Pack, parseGroups, parsePack } from './pack.ts'
import { createPackBook, type PackBook } from './pack-book.ts'

/** The packs that come with Holdfast. */
export const packsFolder = join(import.meta.dirname, '..', '..', '..', 'packs')

const groupsFile = 'groups.yaml'

/** Every `.yaml` of the folder; all of them hold, or `bad-input` says everything that does not. */
export function loadPackBook(folder: string): PackBook {
  const faults: string[] = []
  const read = <Value>(name: string, parse: (text: string) => Value | string): Value | null => {
    let parsed: Value | string
    try {
      parsed = parse(readFileSync(join(folder, name), 'utf8'))
    } catch (error) {
      throw new HoldfastError('not-found', `${join(folder, name)} cannot be read`, {}, error)
    }
    if (typeof parsed !== 'string') return parsed
    faults.push(`${name}: ${parsed}`)
    return null
  }
  const groups = read(groupsFile, parseGroups)
  const names = readdirSync(folder).filter(name => name.endsWith('.yaml') && name !== groupsFile)
  const packs = names.sort().map(name => read<Pack>(name, parsePack))
  const book =
    faults.length > 0 || groups === null
      ? faults.join('\n')
      : createPackBook(
          packs.filter(pack => pack !== null),
          groups,
        )
  if (typeof book === 'string') throw new HoldfastError('bad-input', `the packs of ${folder}:\n${book}`)
  return book
}
