import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Holdfast } from './holdfast.ts'

export interface StatedEntry {
  readonly id: string
  readonly type: string
  readonly seq: number
  readonly body: Readonly<Record<string, unknown>>
}

/** Fetches a region's statement, has it verified as the customer would, and returns its entries in order. */
export async function verifiedStatement(holdfast: Holdfast, region = 'in-mumbai'): Promise<StatedEntry[]> {
  const file = join(holdfast.folder, `statement-${region}.json`)
  const fetched = await holdfast.cli('statement', '--region', region, '-o', file)
  if (fetched.code !== 0) throw new Error(`statement: ${fetched.stderr}`)
  const verified = await holdfast.cli('verify', file)
  if (verified.code !== 0) throw new Error(`verify: ${verified.stdout}${verified.stderr}`)
  const { rows } = JSON.parse(readFileSync(file, 'utf8')) as { rows: { p: StatedEntry }[] }
  return rows.map(({ p }) => p)
}

/** Waits until the ledger has taken up an entry; its receipt is the sign. */
export async function untilEntered(holdfast: Holdfast, entryId: string): Promise<void> {
  const { code, stderr } = await holdfast.cli('receipt', entryId)
  if (code !== 0) throw new Error(`receipt: ${stderr}`)
}
