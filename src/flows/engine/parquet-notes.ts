/** What a collector says of its own files, in their metadata: what was lost, unread and set aside on the way into them. */
import { type InputNotes, type Notes, noteKinds } from '../decode/notes.ts'
import { type Duck, sqlText } from './duck.ts'
import { pathPattern } from './parquet-files.ts'

export const notesKey = 'holdfast_notes'

/** Longer than any that we write would be somebody's trick. */
const maxChars = 16 * 1024 * 1024

/** `null` for a file that says nothing of the kind, or nothing that makes sense. */
export async function parquetNotes(duck: Duck, path: string): Promise<InputNotes | null> {
  const rows = await duck.rows(
    `SELECT decode(value) AS value FROM parquet_kv_metadata(${pathPattern(path)}) WHERE decode(key) = ${sqlText(notesKey)}`,
  )
  const value = rows[0]?.value
  if (typeof value !== 'string' || value.length > maxChars) return null
  try {
    return parsed(JSON.parse(value))
  } catch {
    return null
  }
}

/** Adds what the file says to what is noted while it is read. */
export async function addParquetNotes(duck: Duck, path: string, into: Notes): Promise<void> {
  const found = await parquetNotes(duck, path)
  if (found === null) return
  for (const { reason, count, bytes } of found.unread) into.unread(reason, bytes, count)
  for (const { reason, count, bytes } of found.setAside) into.setAside(reason, count, bytes)
  for (const { reason, count } of found.lost) into.lost(reason, count)
  for (const remark of found.remarks) into.remark(remark)
}

function parsed(value: unknown): InputNotes | null {
  if (typeof value !== 'object' || value === null) return null
  const { remarks, ...counts } = value as Record<string, unknown>
  const areCounts = noteKinds.every(kind => {
    const list = counts[kind]
    return Array.isArray(list) && list.every(isCount)
  })
  const areTexts = Array.isArray(remarks) && remarks.every(remark => typeof remark === 'string')
  return areCounts && areTexts ? (value as InputNotes) : null
}

function isCount(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { reason, count, bytes } = value as Record<string, unknown>
  return typeof reason === 'string' && Number.isSafeInteger(count) && Number.isSafeInteger(bytes)
}
