import type { NoteCount } from '../decode/notes.ts'

/** What exporters numbered and we never got, in the unit that their protocol counts. */
export type ExportLoss = {
  readonly protocol: string
  readonly unit: 'packets' | 'records' | 'datagrams' | 'samples'
  readonly exporter: string
  /** Engine, source, domain or sub-agent; empty where the protocol has none. */
  readonly part: string
  readonly lost: number
}

/** `SequenceTracker` names its streams so. RFC 3954 calls a message of v9 a packet. */
const stream = /^(NetFlow v\d|IPFIX|sFlow) (messages|records|datagrams|samples) of (\S+)(?: (.*))?$/

export function exportLosses(lost: readonly NoteCount[]): ExportLoss[] {
  const losses: ExportLoss[] = []
  for (const { reason, count } of lost) {
    const match = stream.exec(reason)
    if (match === null) continue
    const unit = match[2] === 'messages' ? 'packets' : (match[2] as ExportLoss['unit'])
    losses.push({ protocol: match[1]!, unit, exporter: match[3]!, part: match[4] ?? '', lost: count })
  }
  return losses
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
