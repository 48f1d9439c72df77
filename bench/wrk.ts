import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface LoadResult {
  readonly perSecond: number
  readonly bytesPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly errors: number
}

export interface Load {
  readonly url: string
  readonly pathsFile: string
  readonly method: 'GET' | 'PUT'
  readonly order: 'random' | 'ordered'
  readonly seed: number
  readonly bodyBytes: number
  readonly connections: number
  readonly seconds: number
}

const run = promisify(execFile)

/** One thread of wrk: the other core is the server's. */
export async function load(options: Load): Promise<LoadResult> {
  const script = join(import.meta.dirname, 'presigned.lua')
  const { url, pathsFile, method, order, seed, bodyBytes, connections, seconds } = options
  const args = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '30s',
    '--latency',
    '-s',
    script,
    url,
    '--',
  ]
  const { stdout } = await run('wrk', [...args, pathsFile, method, order, String(seed), String(bodyBytes)], {
    maxBuffer: 1 << 20,
  })
  const line = /RESULT (\{.*\})/.exec(stdout)?.[1]
  if (line === undefined) throw new Error(`wrk printed no result:\n${stdout}`)
  const raw = JSON.parse(line) as Record<string, number>
  const durationSeconds = raw.durationUs! / 1e6
  return {
    perSecond: raw.requests! / durationSeconds,
    bytesPerSecond: raw.bytes! / durationSeconds,
    p50Ms: raw.p50Us! / 1000,
    p99Ms: raw.p99Us! / 1000,
    errors: raw.status! + raw.connect! + raw.read! + raw.write! + raw.timeout!,
  }
}
