/** Notes of several readings, added up and told apart. */
import { type InputNotes, type NoteCount, noteKinds } from '../decode/notes.ts'

export const noNotes: InputNotes = { unread: [], setAside: [], lost: [], remarks: [] }

/** Different reasons of one kind that are kept apart. */
const maxReasons = 20_000

export function addNotes(a: InputNotes, b: InputNotes): InputNotes {
  const [unread, setAside, lost] = noteKinds.map(kind => combined(a[kind], b[kind], 1))
  return {
    unread: unread!,
    setAside: setAside!,
    lost: lost!,
    remarks: [...new Set([...a.remarks, ...b.remarks])].slice(0, maxReasons),
  }
}

/** What came after `before`, of notes that only grow. */
export function notesSince(before: InputNotes, after: InputNotes): InputNotes {
  const [unread, setAside, lost] = noteKinds.map(kind => combined(after[kind], before[kind], -1))
  const known = new Set(before.remarks)
  return {
    unread: unread!,
    setAside: setAside!,
    lost: lost!,
    remarks: after.remarks.filter(remark => !known.has(remark)),
  }
}

export function isNothing({ unread, setAside, lost, remarks }: InputNotes): boolean {
  return unread.length + setAside.length + lost.length + remarks.length === 0
}

function combined(a: readonly NoteCount[], b: readonly NoteCount[], sign: 1 | -1): NoteCount[] {
  const sums = new Map(a.map(({ reason, count, bytes }) => [reason, { count, bytes }]))
  for (const { reason, count, bytes } of b) {
    const key = sums.has(reason) || sums.size < maxReasons ? reason : 'other reasons'
    const sum = sums.get(key) ?? { count: 0, bytes: 0 }
    sums.set(key, { count: sum.count + sign * count, bytes: sum.bytes + sign * bytes })
  }
  return [...sums].filter(([, { count }]) => count > 0).map(([reason, sum]) => ({ reason, ...sum }))
}
