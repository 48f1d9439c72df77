/** What `watch` and `monitor` have to say: once for each thing, on the terminal and in a file that outlives them. */
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync } from 'node:fs'
import { type Clock, isoTime } from '../../core/time.ts'

export type WatchAlertKind =
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

export interface Alert<Kind extends string = WatchAlertKind> {
  readonly kind: Kind
  /** Of `monitor`, the log's origin. */
  readonly region: string
  readonly what: string
  /** Files that show it to others. */
  readonly evidence: readonly string[]
}

export interface Alerts<Kind extends string = WatchAlertKind> {
  /** Told once: the same `what` of a kind and region is not repeated, also after a restart. Durable on return. */
  raise(alert: Alert<Kind>): void
  /** Of those told by this process. */
  count(): number
  /** Of those raised in this process, also if they were told before. */
  raised(): number
}

export function createAlerts<Kind extends string = WatchAlertKind>(
  path: string,
  clock: Clock,
  tell: (line: string) => void,
): Alerts<Kind> {
  const told = new Set(existsSync(path) ? readFileSync(path, 'utf8').split('\n').flatMap(keyOfLine) : [])
  let count = 0
  let raised = 0
  return {
    raise(alert) {
      raised++
      const key = keyOf(alert)
      if (told.has(key)) return
      told.add(key)
      count++
      const line = `${JSON.stringify({ time: isoTime(clock()), ...alert })}\n`
      const file = openSync(path, 'a', 0o600)
      try {
        appendFileSync(file, line)
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
      tell(line)
    },
    count: () => count,
    raised: () => raised,
  }
}

function keyOf({ kind, region, what }: Pick<Alert<string>, 'kind' | 'region' | 'what'>): string {
  return `${kind}\0${region}\0${what}`
}

function keyOfLine(line: string): string[] {
  try {
    return [keyOf(JSON.parse(line) as Alert<string>)]
  } catch {
    return []
  }
}
