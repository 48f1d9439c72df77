/** What both regions' statements say of a fleet's ordered connections, as `verify` would hand it to the audit. */
import { createHash } from 'node:crypto'
import type { Book, BookEntry } from '../../src/flows/reconcile/books.ts'
import type { EnteredConnection } from './generate.ts'

const source = 'in-mumbai'
const target = 'de-frankfurt'

export function booksOf(entered: readonly EnteredConnection[]): Book[] {
  const here: BookEntry[] = []
  const there: BookEntry[] = []
  const enter = (region: string, type: string, seconds: number, body: object): void => {
    const entries = region === source ? here : there
    const seq = entries.length
    const time = isoTime(seconds)
    entries.push({ id: `${region}-${seq}`, type, tenant: 'fleet', region, time, seq, body })
  }
  for (const [instruction, connections] of Map.groupBy(entered, each => each.instruction)) {
    const first = Math.min(...connections.map(({ startSeconds }) => startSeconds)) - 60
    for (const region of [source, target])
      enter(region, 'instruction.approved', first, { instruction, approver: 'a', envelope: {} })
    enter(source, 'instruction.state', first, { instruction, state: 'approved', objects: 0, bytes: 0 })
    for (const [batch, { payload, startSeconds }] of connections.entries()) {
      const sha256 = createHash('sha256').update(`${instruction} ${batch}`).digest('hex')
      const body = { instruction, batch, objects: [[`o-${batch}`, payload, sha256]], bytes: payload }
      enter(source, 'transfer.departed', startSeconds, { ...body, peer: target })
      enter(target, 'transfer.arrived', startSeconds, { ...body, peer: source })
    }
    for (const [i, { from, to, startSeconds, endSeconds, payload }] of connections.entries()) {
      const times = { start: isoTime(startSeconds), end: isoTime(endSeconds) }
      const common = { role: 'transfer', instruction, entries: [], more: false, ...times }
      const local = { address: from[0], port: from[1], country: 'IN' }
      const remote = { address: to[0], port: to[1], country: 'DE' }
      const id = `${instruction}-${i}`
      enter(source, 'connection', endSeconds, {
        ...{ ...common, connection: `s-${id}`, local, remote, bytesOut: payload, bytesIn: 2000 },
      })
      enter(target, 'connection', endSeconds, {
        ...{
          ...common,
          connection: `t-${id}`,
          local: remote,
          remote: local,
          bytesOut: 2000,
          bytesIn: payload,
        },
      })
    }
  }
  return [
    { tenant: 'fleet', region: source, covers: [0, here.length], entries: here },
    { tenant: 'fleet', region: target, covers: [0, there.length], entries: there },
  ]
}

function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
