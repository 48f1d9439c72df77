import { address, u } from './export-messages.ts'

/** Writes packets and capture files, for shapes that no vector has. */
export function pcap(linkType: number, frames: readonly Buffer[], wire?: number): Buffer {
  const header = Buffer.concat([u(4, 0xa1b2c3d4), u(2, 2), u(2, 4), u(8, 0), u(4, 65_535), u(4, linkType)])
  const records = frames.map((frame, i) =>
    Buffer.concat([u(4, 1_700_000_000 + i), u(4, 0), u(4, frame.length), u(4, wire ?? frame.length), frame]),
  )
  return Buffer.concat([header, ...records])
}

export function ipv4(options: {
  payload: Buffer
  protocol?: number
  flags?: number
  id?: number
  length?: number
  from?: string
  to?: string
}): Buffer {
  const { payload, protocol = 17, flags = 0, id = 1, from = '10.0.0.1', to = '10.0.0.2' } = options
  const length = options.length ?? 20 + payload.length
  const header = [u(1, 0x45), u(1, 0), u(2, length), u(2, id), u(2, flags), u(1, 64), u(1, protocol), u(2, 0)]
  return Buffer.concat([...header, address(from), address(to), payload])
}

export function udpOf(payload: Buffer, srcPort = 1000, dstPort = 53): Buffer {
  return Buffer.concat([u(2, srcPort), u(2, dstPort), u(2, 8 + payload.length), u(2, 0), payload])
}

export function ethernet(type: number, ...rest: readonly Buffer[]): Buffer {
  return Buffer.concat([Buffer.alloc(12), u(2, type), ...rest])
}
