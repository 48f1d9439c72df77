/** Counters and gauges in Prometheus' text format (exposition format 0.0.4). */
export interface Metrics {
  /** A monotonic counter; the same labels in the same order count together. */
  count(name: string, labels: Readonly<Record<string, string>>, by?: number): void
  /** Returns what takes an observation, in seconds: an addition, since every answer makes one. */
  histogram(name: string, help: string, upperBounds: readonly number[]): (seconds: number) => void
  /** A value that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number, labels?: Readonly<Record<string, string>>): void
  snapshot(): MetricsSnapshot
}

/** Plain data, so that it can cross from one process to another. */
export interface MetricsSnapshot {
  readonly counters: readonly Series[]
  readonly gauges: readonly Series[]
}

interface Series {
  readonly name: string
  readonly help: string
  /** By printed labels (`a="b",c="d"`, or empty). */
  readonly values: readonly (readonly [labels: string, value: number])[]
}

export interface CounterHelp {
  readonly [name: string]: string
}

export function createMetrics(counters: CounterHelp): Metrics {
  const values = new Map<string, Map<string, number>>()
  const histograms: {
    name: string
    help: string
    bounds: readonly number[]
    counts: Float64Array
    sum: number
  }[] = []
  const gauges: { name: string; help: string; labels: string; read: () => number }[] = []
  return {
    count(name, labels, by = 1) {
      let series = values.get(name)
      if (series === undefined) values.set(name, (series = new Map()))
      const key = printLabels(labels)
      series.set(key, (series.get(key) ?? 0) + by)
    },

    histogram(name, help, bounds) {
      const kept = { name, help, bounds, counts: new Float64Array(bounds.length + 1), sum: 0 }
      histograms.push(kept)
      return seconds => {
        let i = 0
        while (i < bounds.length && seconds > bounds[i]!) i++
        kept.counts[i]!++
        kept.sum += seconds
      }
    },

    gauge(name, help, read, labels = {}) {
      gauges.push({ name, help, labels: printLabels(labels), read })
    },

    snapshot: () => ({
      counters: [
        ...Object.entries(counters).map(([name, help]) => ({
          name,
          help,
          values: [...(values.get(name) ?? [])],
        })),
        ...histograms.flatMap(printHistogram),
      ],
      gauges: gauges.map(({ name, help, labels, read }) => ({ name, help, values: [[labels, read()]] })),
    }),
  }
}

/** Counters of all processes are added up; gauges are each process's own and say whose (`process="…"`). */
export function printMetrics(processes: ReadonlyMap<string, MetricsSnapshot>): string {
  const counters = new Map<string, { help: string; values: Map<string, number> }>()
  const gauges = new Map<string, { help: string; lines: string[] }>()
  for (const [process, snapshot] of processes) {
    for (const { name, help, values } of snapshot.counters) {
      let sum = counters.get(name)
      if (sum === undefined) counters.set(name, (sum = { help, values: new Map() }))
      for (const [labels, value] of values) sum.values.set(labels, (sum.values.get(labels) ?? 0) + value)
    }
    for (const { name, help, values } of snapshot.gauges) {
      let lines = gauges.get(name)
      if (lines === undefined) gauges.set(name, (lines = { help, lines: [] }))
      const own = processes.size === 1 ? '' : `process="${escapeLabel(process)}"`
      for (const [labels, value] of values)
        lines.lines.push(printLine(name, [labels, own].filter(Boolean).join(','), value))
    }
  }
  let out = ''
  for (const [name, { help, values }] of counters) {
    out += `# HELP ${name} ${help}\n# TYPE ${name} counter\n`
    for (const [labels, value] of values) out += printLine(name, labels, value)
  }
  for (const [name, { help, lines }] of gauges)
    out += `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${lines.join('')}`
  return out
}

/** As Prometheus has histograms: a bucket holds what is in those below it as well. */
function printHistogram(histogram: {
  name: string
  help: string
  bounds: readonly number[]
  counts: Float64Array
  sum: number
}): Series[] {
  const { name, help, bounds, counts, sum } = histogram
  let below = 0
  const buckets = Array.from(counts, (count, i): [string, number] => {
    below += count
    return [`le="${bounds[i] ?? '+Inf'}"`, below]
  })
  return [
    { name: `${name}_bucket`, help, values: buckets },
    { name: `${name}_sum`, help, values: [['', sum]] },
    { name: `${name}_count`, help, values: [['', below]] },
  ]
}

function printLabels(labels: Readonly<Record<string, string>>): string {
  let text = ''
  for (const label in labels) text += `${text === '' ? '' : ','}${label}="${escapeLabel(labels[label]!)}"`
  return text
}

function printLine(name: string, labels: string, value: number): string {
  return `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`
}

function escapeLabel(text: string): string {
  return /["\\\n]/.test(text) ? text.replace(/["\\\n]/g, c => (c === '\n' ? '\\n' : `\\${c}`)) : text
}
