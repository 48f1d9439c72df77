import { createMetrics, type Metrics } from './core/metrics.ts'

/** Upper bounds of the answer times' buckets, in seconds. */
const answerBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5] as const

const counters = {
  holdfast_requests_total: 'S3 requests answered, by operation and status.',
  holdfast_refusals_total: 'Requests that policy refused, by rule.',
  holdfast_entries_total: 'Entries in published checkpoints since the start, by region.',
  holdfast_lease_requests_total: 'Questions to key holders for a bucket key, by outcome.',
  holdfast_operation_seconds_total: 'Time from requests to the ends of their answers, by operation.',
  holdfast_received_bytes_total: 'Read from S3 connections that have ended.',
  holdfast_sent_bytes_total: 'Written to S3 connections that have ended.',
  holdfast_connections_total: 'S3 connections that were opened.',
  holdfast_segments_compacted_total: 'Segments whose live blobs were moved together, by region.',
  holdfast_segments_removed_total: 'Segments that were unlinked, by region.',
  holdfast_compaction_moved_bytes_total: 'Live bytes that compaction moved, by region.',
  holdfast_scrubbed_bytes_total: 'Stored bytes that were read back and checked, by region.',
  holdfast_witness_answers_total:
    'What became of checkpoints shown to witnesses: cosigned, false-cosignature, refused, unreachable, forked.',
  holdfast_cosignatures_refused_total: 'Cosignatures that do not hold or are of the future, by region.',
  holdfast_lifecycle_actions_total: 'What lifecycle rules ended, or left because it is locked, by outcome.',
  holdfast_notifications_total:
    'Messages to webhooks, by outcome: delivered, failed (and tried again), dropped.',
  holdfast_log_mirror_files_total: 'Files of public logs that were copied, by region and copy.',
  holdfast_log_mirror_failures_total: 'Tries to copy a public log that failed and are made again.',
  holdfast_scrub_faults_total: 'Versions whose bytes are not what was stored, by region.',
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

/** Takes how long an answer took. */
export function createAnswerTimes(metrics: Metrics): (operation: string, ms: number) => void {
  const observe = metrics.histogram(
    'holdfast_answer_seconds',
    'Time from a request to the end of its answer.',
    answerBuckets,
  )
  return (operation, ms) => {
    observe(ms / 1000)
    metrics.count('holdfast_operation_seconds_total', { operation }, ms / 1000)
  }
}
