/** The key holder's journal, from where the last look ended: which region opened keys, and when. */
import { existsSync, readFileSync } from 'node:fs'
import { parseCanonicalJson } from '../../core/canonical-json.ts'
import { parseIsoTime } from '../../core/time.ts'

export interface Lease {
  readonly requester: string
  readonly timeUnixMs: number
}

export function newLeases(
  path: string,
  from: number,
): { readonly leases: readonly Lease[]; readonly lines: number } {
  if (!existsSync(path)) return { leases: [], lines: from }
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1)
  const leases = lines.slice(from).flatMap(line => {
    const row = parseCanonicalJson(line) as Readonly<Record<string, unknown>> | null
    const timeUnixMs = typeof row?.time === 'string' ? parseIsoTime(row.time) : null
    if (row?.operation !== 'decrypt' || typeof row.requester !== 'string' || timeUnixMs === null) return []
    return [{ requester: row.requester, timeUnixMs }]
  })
  return { leases, lines: lines.length }
}
