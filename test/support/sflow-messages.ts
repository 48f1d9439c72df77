import { address, u } from './export-messages.ts'

/** Writes sFlow version 5 as an agent would. */
export function sflow(
  sequence: number,
  samples: readonly Buffer[],
  { agent = '192.0.2.1', subAgent = 0 } = {},
): Buffer {
  const head = [u(4, 5), u(4, 1), address(agent), u(4, subAgent), u(4, sequence), u(4, 90_000)]
  return Buffer.concat([...head, u(4, samples.length), ...samples])
}

export function tagged(type: number, data: Buffer): Buffer {
  const padded = Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)])
  return Buffer.concat([u(4, type), u(4, padded.length), padded])
}

type Sample = {
  readonly sequence: number
  readonly rate: number
  readonly drops?: number
  readonly source?: number
  readonly input?: number
  readonly output?: number
}

export function flowSample(sample: Sample, ...records: readonly Buffer[]): Buffer {
  const { sequence, rate, drops = 0, source = 7, input = 7, output = 8 } = sample
  const numbers = [sequence, source, rate, 1000, drops, input, output, records.length]
  return tagged(1, Buffer.concat([...numbers.map(value => u(4, value)), ...records]))
}

export function expandedFlowSample(sample: Sample, ...records: readonly Buffer[]): Buffer {
  const { sequence, rate, drops = 0, source = 7, input = 7, output = 8 } = sample
  const numbers = [sequence, 0, source, rate, 1000, drops, 0, input, 0, output, records.length]
  return tagged(3, Buffer.concat([...numbers.map(value => u(4, value)), ...records]))
}

/** A raw header record: protocol 1 is Ethernet, 11 IPv4, 12 IPv6. */
export function rawHeader(protocol: number, header: Buffer, frameBytes: number): Buffer {
  return tagged(1, Buffer.concat([u(4, protocol), u(4, frameBytes), u(4, 4), u(4, header.length), header]))
}
