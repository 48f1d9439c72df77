import { createMetrics, type Metrics } from './core/metrics.ts'

const counters = {
  holdfast_requests_total: 'S3 requests answered, by operation and status.',
  holdfast_refusals_total: 'Requests that policy refused, by rule.',
  holdfast_entries_total: 'Entries in published checkpoints since the start, by region.',
  holdfast_lease_requests_total: 'Questions to key holders for a bucket key, by outcome.',
}

/** What every process of the product counts, with its own memory. */
export function createAppMetrics(): Metrics {
  const metrics = createMetrics(counters)
  metrics.gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss())
  metrics.gauge(
    'nodejs_heap_used_bytes',
    'JavaScript heap of the main thread.',
    () => process.memoryUsage().heapUsed,
  )
  metrics.gauge('nodejs_external_bytes', 'Memory of buffers.', () => process.memoryUsage().external)
  return metrics
}
