/** What a collector says of its own files, in their metadata: what was lost, unread and set aside on the way into them. */
import { type InputNotes, Notes, noteKinds } from '../decode/notes.ts'
import { type Duck, sqlText } from './duck.ts'
import { pathPattern } from './parquet-files.ts'

export const notesKey = 'holdfast_notes'

/** Longer than any that we write would be somebody's trick. */
const maxChars = 16 * 1024 * 1024

/** `null` for a file that says nothing of the kind, or nothing that makes sense. */
export async function parquetNotes(duck: Duck, path: string): Promise<InputNotes | null> {
  const rows = await duck.rows(
    `SELECT TRY(decode(value)) AS value FROM parquet_kv_metadata(${pathPattern(path)}) WHERE key = encode(${sqlText(notesKey)})`,
  )
  const value = rows[0]?.value
  if (typeof value !== 'string' || value.length > maxChars) return null
  try {
    return parsed(JSON.parse(value))
  } catch {
    return null
  }
}

/** Whose word it is: anybody can write a file, and what we find in it ourselves stands beside. */
const says = 'the file says: '

/** What was noted while the file was read, and what it says itself, each as its own. */
export async function withParquetNotes(duck: Duck, path: string, noted: InputNotes): Promise<InputNotes> {
  const found = await parquetNotes(duck, path)
  if (found === null) return noted
  const said = new Notes()
  for (const { reason, count, bytes } of found.unread) said.unread(says + reason, bytes, count)
  for (const { reason, count, bytes } of found.setAside) said.setAside(says + reason, count, bytes)
  for (const { reason, count } of found.lost) said.lost(says + reason, count)
  for (const remark of found.remarks) said.remark(says + remark)
  const { unread, setAside, lost, remarks } = said.summary()
  return {
    unread: [...noted.unread, ...unread],
    setAside: [...noted.setAside, ...setAside],
    lost: [...noted.lost, ...lost],
    remarks: [...noted.remarks, ...remarks],
  }
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
  return typeof reason === 'string' && isAmount(count) && isAmount(bytes)
}

/** A negative one would take away from what others say. */
const isAmount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0
