/** Files whose hashes a tenant has entered (`evidence.entered`): are those of an audit what was entered? */
import { type BookEntry, fieldsOf, textOf } from './books.ts'

type Entered = {
  readonly tenant: string
  readonly region: string
  readonly time: string
  readonly entry: string
}

export type EnteredFile = Entered & {
  readonly name: string
  readonly sha256: string
  /** `false`: a file of this name was entered, and is another one now. */
  readonly isSame: boolean
}

/**
 * Of these files those that stand in the books, each by its earliest entry; and those of whose name another one does,
 * by its latest.
 */
export function enteredFiles(
  entries: readonly BookEntry[],
  files: readonly { readonly name: string; readonly sha256: string }[],
): EnteredFile[] {
  const byHash = new Map<string, Entered>()
  const byName = new Map<string, Entered>()
  for (const { type, id, tenant, region, time, body } of entries) {
    if (type !== 'evidence.entered') continue
    const listed = fieldsOf(body).files
    const by = { tenant, region, time, entry: id }
    for (const file of Array.isArray(listed) ? listed : []) {
      const sha256 = textOf(fieldsOf(file).sha256)
      const name = textOf(fieldsOf(file).name)
      const before = sha256 === null ? undefined : byHash.get(sha256)
      if (sha256 !== null && (before === undefined || time < before.time)) byHash.set(sha256, by)
      if (name !== null && (byName.get(name)?.time ?? '') <= time) byName.set(name, by)
    }
  }
  return files.flatMap(({ name, sha256 }): EnteredFile[] => {
    const same = byHash.get(sha256)
    const other = byName.get(name)
    if (same !== undefined) return [{ name, sha256, isSame: true, ...same }]
    return other === undefined ? [] : [{ name, sha256, isSame: false, ...other }]
  })
}
