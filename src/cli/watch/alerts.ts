/** What `watch` has to say: once for each thing, on the terminal and in a file that outlives it. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { type Clock, isoTime } from '../../core/time.ts'

export type AlertKind =
  | 'promise-invalid'
  | 'promise-missing'
  | 'promise-broken'
  | 'statement-refused'
  | 'history-changed'
  | 'statement-late'
  | 'region-unreachable'
  | 'clock-differs'
  | 'refusals-unusual'
  | 'key-leases-unusual'
  | 'reads-abroad-unusual'

export interface Alert {
  readonly kind: AlertKind
  readonly region: string
  readonly what: string
  /** Files that show it to others. */
  readonly evidence: readonly string[]
}

export interface Alerts {
  /** Told once: the same `what` of a kind and region is not repeated, also after a restart. */
  raise(alert: Alert): void
  count(): number
}

export function createAlerts(path: string, clock: Clock, tell: (line: string) => void): Alerts {
  const told = new Set(existsSync(path) ? readFileSync(path, 'utf8').split('\n').flatMap(keyOfLine) : [])
  let count = 0
  return {
    raise(alert) {
      const key = keyOf(alert)
      if (told.has(key)) return
      told.add(key)
      count++
      const line = `${JSON.stringify({ time: isoTime(clock()), ...alert })}\n`
      appendFileSync(path, line, { mode: 0o600 })
      tell(line)
    },
    count: () => count,
  }
}

function keyOf({ kind, region, what }: Pick<Alert, 'kind' | 'region' | 'what'>): string {
  return `${kind}\0${region}\0${what}`
}

function keyOfLine(line: string): string[] {
  try {
    return [keyOf(JSON.parse(line) as Alert)]
  } catch {
    return []
  }
}
