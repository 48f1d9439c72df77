/**
 * Judges a system-call trace by the question of a power cut: when the answer left, was what it promises on stable
 * storage? Reads what `strace -f -y -o FILE` writes, of the calls in `tracedCalls`.
 */
import { dirname } from 'node:path'

export const tracedCalls = [
  ...['openat', 'mkdir', 'mkdirat', 'rename', 'renameat', 'renameat2'],
  ...['write', 'pwrite64', 'writev', 'pwritev', 'pwritev2', 'sendto', 'sendmsg'],
  ...['fsync', 'fdatasync', 'sync_file_range', 'msync'],
]

interface Call {
  readonly name: string
  readonly args: string
  /** Line numbers. A sync that began before a write had ended does not cover it. */
  readonly start: number
  readonly end: number
  readonly result: string
}

export interface Promised {
  /** Stands in the object's row, and so in the catalog's pages that publish it. */
  readonly name: string
  /** Stands in the answer. */
  readonly answer: string
  readonly catalog: string
  /** Where its bytes are, when they are in a file. */
  readonly blobs: string | null
}

/** What was not on stable storage, in words; nothing when all was. */
export function faultsOf(trace: string, promised: Promised): string[] {
  const calls = parseTrace(trace)
  const answer = calls.find(call => isSend(call) && call.args.includes(promised.answer))
  if (answer === undefined) return ['the answer is not in the trace']
  const before = calls.filter(call => call.end < answer.start)
  const faults: string[] = []

  const synced = (path: string, after: number, until: number): Call | undefined =>
    before.find(call => isSync(call) && pathOf(call) === path && call.start > after && call.end < until)
  const published = before.filter(
    call => isWrite(call) && pathOf(call) === promised.catalog && call.args.includes(promised.name),
  )
  const first = published[0]
  if (first === undefined) return ['no page with the object’s name was written before the answer']
  // The transaction's pages, a sync, and then the root page that makes them count, which must itself be on disk.
  const sync = synced(promised.catalog, first.end, answer.start)
  if (sync === undefined) faults.push('the catalog’s pages were not synced before the answer')
  else {
    const late = published.filter(call => call.start < sync.start && call.end > sync.start)
    if (late.length > 0) faults.push('a page of the transaction was still being written when its sync began')
    const roots = before.filter(
      call => isWrite(call) && pathOf(call) === promised.catalog && call.start > sync.end,
    )
    const durable = roots.some(
      root => isSyncing(root, calls) || synced(promised.catalog, root.end, answer.start) !== undefined,
    )
    if (!durable) faults.push('the catalog’s root page was not on disk before the answer')
  }

  if (promised.blobs !== null) {
    const blob = before.findLast(
      call => call.name.startsWith('rename') && renamed(call).to.startsWith(promised.blobs!),
    )
    if (blob === undefined) return [...faults, 'no blob was put in place before the answer']
    const { from, to } = renamed(blob)
    const writes = before.filter(call => isWrite(call) && pathOf(call) === from)
    if (writes.length === 0) faults.push('no byte of the blob was written')
    for (const write of writes.slice(-1)) {
      if (synced(from, write.end, blob.start) === undefined)
        faults.push('the blob was renamed before its last bytes were synced')
    }
    if (synced(dirname(to), blob.end, first.start) === undefined)
      faults.push('the catalog named the blob before its folder was synced')
  }
  return faults
}

/** Folders and files made under `root` whose name was not synced into their folder before the answer. */
export function unsyncedNames(trace: string, answerText: string, root: string): string[] {
  const calls = parseTrace(trace)
  const answer = calls.find(call => isSend(call) && call.args.includes(answerText))
  if (answer === undefined) return ['the answer is not in the trace']
  const before = calls.filter(call => call.end < answer.start && call.result.startsWith('0'))
  const made = before
    .filter(call => call.name.startsWith('mkdir'))
    .map(call => ({ call, path: quoted(call)[0]! }))
  return (
    made
      .filter(({ path }) => path.startsWith(root))
      // Of partial tiles: made by the sequencer beside the answer, and made again from the catalog after any crash
      // (`test/faults/sequencer.test.ts`), so no answer promises them.
      .filter(({ path }) => !/\/tiles\/tile\/\w+\/[^/]+\.p$/.test(path))
      .filter(
        ({ call, path }) =>
          !before.some(sync => isSync(sync) && pathOf(sync) === dirname(path) && sync.start > call.end),
      )
      .map(({ path }) => path)
  )
}

function parseTrace(trace: string): Call[] {
  const calls: Call[] = []
  const unfinished = new Map<string, { name: string; args: string; start: number }>()
  for (const [line, text] of trace.split('\n').entries()) {
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/s.exec(text)
    if (resumed !== null) {
      const [, thread, name, rest] = resumed as unknown as [string, string, string, string]
      const begun = unfinished.get(`${thread} ${name}`)
      if (begun !== undefined)
        calls.push({ ...begun, args: begun.args + rest, end: line, result: resultIn(rest) })
      continue
    }
    const call = /^(\d+) +(\w+)\((.*)$/s.exec(text)
    if (call === null) continue
    const [, thread, name, rest] = call as unknown as [string, string, string, string]
    if (rest.endsWith('<unfinished ...>')) {
      unfinished.set(`${thread} ${name}`, { name, args: rest, start: line })
    } else calls.push({ name, args: rest, start: line, end: line, result: resultIn(rest) })
  }
  return calls.sort((a, b) => a.start - b.start)
}

function resultIn(rest: string): string {
  return rest.slice(rest.lastIndexOf(' = ') + 3)
}

/** The path that `-y` puts behind a call's descriptor. */
function pathOf({ args }: Call): string {
  return /^\d+<([^>]*)>/.exec(args)?.[1] ?? ''
}

function isWrite({ name }: Call): boolean {
  return /^p?writev?2?(64)?$/.test(name)
}

function isSend(call: Call): boolean {
  const toSocket = isWrite(call) && pathOf(call).startsWith('socket:')
  return toSocket || call.name === 'sendto' || call.name === 'sendmsg'
}

function isSync({ name, result }: Call): boolean {
  return (name === 'fsync' || name === 'fdatasync') && result.startsWith('0')
}

/** Written through a descriptor that was opened so that a write returns only when it is on disk. */
function isSyncing(write: Call, calls: readonly Call[]): boolean {
  const descriptor = /^(\d+)</.exec(write.args)![1]!
  const open = calls.findLast(
    call => call.name === 'openat' && call.end < write.start && call.result.startsWith(`${descriptor}<`),
  )
  return open !== undefined && /O_D?SYNC/.test(open.args)
}

function renamed(call: Call): { from: string; to: string } {
  const [from, to] = quoted(call) as [string, string]
  return { from, to }
}

function quoted({ args }: Call): string[] {
  return [...args.matchAll(/"([^"]*)"/g)].map(match => match[1]!)
}
