/** Files whose hashes a tenant has entered (`evidence.entered`): by which entry, and when first. */
import { type BookEntry, fieldsOf, textOf } from './books.ts'

export type EnteredFile = {
  readonly sha256: string
  readonly tenant: string
  readonly region: string
  readonly time: string
  readonly entry: string
}

/** Of these hashes those that stand in the books, each by its earliest entry. */
export function enteredFiles(entries: readonly BookEntry[], hashes: readonly string[]): EnteredFile[] {
  const wanted = new Set(hashes)
  const found = new Map<string, EnteredFile>()
  for (const { type, id, tenant, region, time, body } of entries) {
    if (type !== 'evidence.entered') continue
    const { files } = fieldsOf(body)
    for (const file of Array.isArray(files) ? files : []) {
      const sha256 = textOf(fieldsOf(file).sha256)
      if (sha256 === null || !wanted.has(sha256)) continue
      const before = found.get(sha256)
      if (before === undefined || time < before.time)
        found.set(sha256, { sha256, tenant, region, time, entry: id })
    }
  }
  return [...found.values()]
}
