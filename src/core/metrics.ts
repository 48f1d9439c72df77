/** Counters and gauges in Prometheus' text format (exposition format 0.0.4). */
export interface Metrics {
  /** A monotonic counter; the same labels in the same order count together. */
  count(name: string, labels: Readonly<Record<string, string>>, by?: number): void
  /** A value that is read when it is asked for. */
  gauge(name: string, help: string, read: () => number): void
  print(): string
}

export interface CounterHelp {
  readonly [name: string]: string
}

export function createMetrics(counters: CounterHelp): Metrics {
  const values = new Map<string, Map<string, number>>()
  const gauges: { name: string; help: string; read: () => number }[] = []
  return {
    count(name, labels, by = 1) {
      let series = values.get(name)
      if (series === undefined) values.set(name, (series = new Map()))
      let key = ''
      for (const label in labels) key += `${key === '' ? '' : ','}${label}="${escapeLabel(labels[label]!)}"`
      series.set(key, (series.get(key) ?? 0) + by)
    },

    gauge(name, help, read) {
      gauges.push({ name, help, read })
    },

    print() {
      let out = ''
      for (const [name, help] of Object.entries(counters)) {
        out += `# HELP ${name} ${help}\n# TYPE ${name} counter\n`
        for (const [labels, value] of values.get(name) ?? [])
          out += `${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`
      }
      for (const { name, help, read } of gauges)
        out += `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${read()}\n`
      return out
    },
  }
}

function escapeLabel(text: string): string {
  return /["\\\n]/.test(text) ? text.replace(/["\\\n]/g, c => (c === '\n' ? '\\n' : `\\${c}`)) : text
}
