/** What processes and their children cost, from /proc. */
import { readdirSync, readFileSync } from 'node:fs'

const tickMs = 10

export function withChildren(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
    return [pid, ...children.flatMap(child => withChildren(Number(child)))]
  } catch {
    return []
  }
}

/** Of processes whose command line holds every one of `words`. */
export function processesOf(...words: readonly string[]): number[] {
  return readdirSync('/proc').flatMap(name => {
    if (!/^\d+$/.test(name)) return []
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, 'utf8')
      return words.every(word => line.includes(word)) ? [Number(name)] : []
    } catch {
      return []
    }
  })
}

/** User and system time of all of them so far, in ms. */
export function cpuMs(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      ticks += Number(fields[11]) + Number(fields[12])
    } catch {
      // It ended.
    }
  }
  return ticks * tickMs
}

/** Anonymous resident memory: what they really hold, without mapped files. */
export function rssAnonBytes(pids: readonly number[]): number {
  let bytes = 0
  for (const pid of pids) {
    try {
      bytes +=
        Number(/RssAnon:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
    } catch {
      // It ended.
    }
  }
  return bytes
}
