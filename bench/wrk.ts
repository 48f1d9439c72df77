import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface LoadResult {
  readonly requests: number
  readonly perSecond: number
  /** Received, headers included. */
  readonly bytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
}

export interface Load {
  readonly url: string
  /** Lines of method and presigned path. */
  readonly requestsFile: string
  readonly order: 'random' | 'ordered'
  readonly seed: number
  /** Of each PUT. */
  readonly bodyBytes: number
  readonly connections: number
  readonly seconds: number
}

const run = promisify(execFile)

/** One thread of wrk, beside the server on the same machine. */
export async function load(options: Load): Promise<LoadResult> {
  const script = join(import.meta.dirname, 'requests.lua')
  const { url, requestsFile, order, seed, bodyBytes, connections, seconds } = options
  const flags = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '60s',
    '--latency',
    '-s',
    script,
    url,
    '--',
  ]
  const { stdout } = await run('wrk', [...flags, requestsFile, order, String(seed), String(bodyBytes)], {
    maxBuffer: 1 << 20,
  })
  const line = /RESULT (\{.*\})/.exec(stdout)?.[1]
  if (line === undefined) throw new Error(`wrk printed no result:\n${stdout}`)
  const raw = JSON.parse(line) as Record<string, number>
  const durationSeconds = raw.durationUs! / 1e6
  return {
    requests: raw.requests!,
    perSecond: raw.requests! / durationSeconds,
    bytesPerSecond: raw.bytes! / durationSeconds,
    p50Ms: raw.p50Us! / 1000,
    p99Ms: raw.p99Us! / 1000,
    errors: raw.status! + raw.connect! + raw.read! + raw.write! + raw.timeout!,
  }
}
