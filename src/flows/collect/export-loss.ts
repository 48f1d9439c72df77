import type { NoteCount } from '../decode/notes.ts'

/** What exporters numbered and we never got, or say that they dropped, in the unit that their protocol counts. */
export type ExportLoss = {
  readonly protocol: string
  readonly unit: 'packets' | 'records' | 'datagrams' | 'samples'
  readonly exporter: string
  /** Engine, source, domain or sub-agent, or that the agent dropped it; empty where the protocol has none. */
  readonly part: string
  readonly lost: number
}

/** `SequenceTracker` names its streams so. RFC 3954 calls a message of v9 a packet. */
const stream = /^(NetFlow v\d|IPFIX|sFlow) (messages|records|datagrams|samples) of (\S+)(?: (.*))?$/

/** What an sFlow agent says that it dropped itself. */
const dropped = /^sFlow: samples that (\S+) dropped for want of resources$/

export function exportLosses(lost: readonly NoteCount[]): ExportLoss[] {
  return lost.map(exportLoss).filter(loss => loss !== null)
}

/** Losses that stand for no exporter's own numbers. */
export function otherLosses(lost: readonly NoteCount[]): NoteCount[] {
  return lost.filter(note => exportLoss(note) === null)
}

function exportLoss({ reason, count: lost }: NoteCount): ExportLoss | null {
  const agent = dropped.exec(reason)?.[1]
  if (agent !== undefined)
    return { protocol: 'sFlow', unit: 'samples', exporter: agent, part: 'dropped by the agent', lost }
  const match = stream.exec(reason)
  if (match === null) return null
  const unit = match[2] === 'messages' ? 'packets' : (match[2] as ExportLoss['unit'])
  return { protocol: match[1]!, unit, exporter: match[3]!, part: match[4] ?? '', lost }
}

export type ProtocolLoss = Omit<ExportLoss, 'exporter' | 'part'>

export function lossByProtocol(losses: readonly ExportLoss[]): ProtocolLoss[] {
  const sums = new Map<string, ProtocolLoss>()
  for (const { protocol, unit, lost } of losses) {
    const key = `${protocol} ${unit}`
    sums.set(key, { protocol, unit, lost: lost + (sums.get(key)?.lost ?? 0) })
  }
  return [...sums.values()].sort((a, b) => (a.protocol < b.protocol ? -1 : 1))
}
