import type { Segment } from '../attribute/observed.ts'

/** IP bytes of one connection in one direction, split by what explains them. They add up to what was observed. */
export type Explained = {
  readonly instructed: number
  readonly claimed: number
  /** Of the two: headers, pure acknowledgements, retransmission. */
  readonly overhead: number
  readonly rest: number
  /** Recorded payload that these bytes used up. */
  readonly usedPayload: number
}

/**
 * What TCP and IP add to the recorded payload, at most. Headers: 20 bytes of IPv4 or 40 of IPv6, and 20 to 32 of TCP
 * (32 with timestamps), for each packet, acknowledgements without payload included. Retransmission: a twentieth of
 * the payload, and two kilobytes for short connections. Beyond that, bytes are nobody's overhead.
 */
export const overheadCap = {
  headerBytesV4: 52,
  headerBytesV6: 72,
  leastHeaderBytesV4: 40,
  leastHeaderBytesV6: 60,
  retransmissionShare: 0.05,
  leastBytes: 2048,
  /** Where a log gives no packet counts. */
  headerShareWithoutPackets: 0.06,
} as const

export function explain(
  pieces: readonly Segment[],
  isIpv6: boolean,
  words: { readonly instructedBytes: number; readonly claimedBytes: number; readonly isInstructed: boolean },
): Explained {
  let ipBytes = 0
  let packets = 0
  let payload: number | null = 0
  for (const piece of pieces) {
    ipBytes += piece.ipBytes
    packets += piece.packets
    payload = payload === null || piece.payloadBytes === null ? null : payload + piece.payloadBytes
  }
  const recorded = words.instructedBytes + words.claimedBytes
  const headers =
    payload !== null
      ? ipBytes - payload
      : packets === 0
        ? ipBytes * overheadCap.headerShareWithoutPackets
        : packets * (isIpv6 ? overheadCap.headerBytesV6 : overheadCap.headerBytesV4)
  const again = Math.max(overheadCap.leastBytes, recorded * overheadCap.retransmissionShare)
  const leastHeaders = isIpv6 ? overheadCap.leastHeaderBytesV6 : overheadCap.leastHeaderBytesV4
  const observedPayload = payload ?? Math.max(0, ipBytes - packets * leastHeaders)
  // Headers go with what they carry: those around payload that nobody entered are nobody's, too.
  const carried = Math.max(0, ipBytes - headers)
  const headerShare = carried === 0 ? 1 : Math.min(1, (recorded + again) / carried)
  const explained = Math.min(ipBytes, Math.floor(recorded + again + headers * headerShare))
  const share = recorded > 0 ? words.instructedBytes / recorded : words.isInstructed ? 1 : 0
  const instructed = Math.round(explained * share)
  return {
    instructed,
    claimed: explained - instructed,
    overhead: Math.max(0, explained - recorded),
    rest: ipBytes - explained,
    usedPayload: Math.min(recorded, observedPayload),
  }
}
