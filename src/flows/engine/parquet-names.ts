/** Addresses, observers and protocols of a Parquet file's rows: each is looked at once, however many rows name it. */
import { wordsOf } from '../address-words.ts'
import type { ColumnSpecs } from '../columns.ts'
import type { Notes } from '../decode/notes.ts'
import { protocolNumber } from '../decode/protocol-names.ts'
import type { Direction, ObserverBook } from '../observer.ts'
import type { Duck } from './duck.ts'

const namedSpecs = { id: 'u32', words: 'address' } as const satisfies ColumnSpecs

export async function nameAddresses(duck: Duck, notes: Notes): Promise<void> {
  await duck.run(`CREATE TABLE texts AS SELECT text, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT srcText AS text FROM rows UNION SELECT dstText FROM rows)`)
  const into = (await duck.table('addresses', namedSpecs)).filler()
  let isUnread = false
  for await (const batch of duck.texts('SELECT text, id FROM texts'))
    for (const [text, id] of batch) {
      const words = wordsOf(text)
      if (words === null) {
        isUnread = true
        continue
      }
      const row = into.next()
      into.columns.id[row] = id
      into.columns.words.set(words, row * 4)
    }
  into.end()
  duck.flush()
  await duck.run('CREATE TABLE named AS SELECT text, words FROM texts JOIN addresses USING (id)')
  if (!isUnread) return
  const [row] = await duck.rows(`SELECT CAST(count(*) AS DOUBLE) AS rows FROM rows
    LEFT JOIN named AS src ON src.text = srcText LEFT JOIN named AS dst ON dst.text = dstText
    WHERE src.text IS NULL OR dst.text IS NULL`)
  notes.unread(
    'Parquet: what stands for an address is none; its rows are left out',
    0,
    Number(row?.rows ?? 0),
  )
}

const observerSpecs = { id: 'u32', observer: 'f64', back: 'f64' } as const satisfies ColumnSpecs
/** What stands in the column of an exporter that nobody knows. */
const nobody: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])
const isIn = "direction IN ('in', 'i', 'ingress', 'inbound', '0')"
const isOut = "direction IN ('out', 'o', 'egress', 'outbound', '1')"
export const wayOf = `CASE WHEN ${isIn} THEN 'in' WHEN ${isOut} THEN 'out' ELSE '' END`

export async function nameObservers(duck: Duck, observers: ObserverBook, inputName: string): Promise<void> {
  await duck.run(`CREATE TABLE watchers AS SELECT *, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT DISTINCT coalesce(exporter, '') AS exporter, ${wayOf} AS way FROM rows)`)
  const into = (await duck.table('observers', observerSpecs)).filler()
  for await (const batch of duck.texts("SELECT way || ' ' || exporter, id FROM watchers"))
    for (const [text, id] of batch) {
      const space = text.indexOf(' ')
      const named = text.slice(space + 1)
      const exporter = nobody.has(named) ? inputName : named
      const way = (text.slice(0, space) || null) as Direction
      const row = into.next()
      into.columns.id[row] = id
      into.columns.observer[row] = observers.idOf(exporter, way)
      into.columns.back[row] = observers.idOf(exporter, way === null ? null : way === 'in' ? 'out' : 'in')
    }
  into.end()
  duck.flush()
  await duck.run(
    'CREATE TABLE seen AS SELECT exporter, way, observer, back FROM watchers JOIN observers USING (id)',
  )
}

const protocolSpecs = { id: 'u32', number: 'u8' } as const satisfies ColumnSpecs

export async function nameProtocols(duck: Duck): Promise<void> {
  await duck.run(`CREATE TABLE protocols AS SELECT text, CAST(row_number() OVER () AS UINTEGER) AS id FROM
    (SELECT DISTINCT coalesce(protocol, '') AS text FROM rows)`)
  const into = (await duck.table('numbers', protocolSpecs)).filler()
  for await (const batch of duck.texts('SELECT text, id FROM protocols'))
    for (const [text, id] of batch) {
      const row = into.next()
      into.columns.id[row] = id
      into.columns.number[row] = protocolNumber(text)
    }
  into.end()
  duck.flush()
  await duck.run('CREATE TABLE numbered AS SELECT text, number FROM protocols JOIN numbers USING (id)')
}
