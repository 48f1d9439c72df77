import type { Segment } from '../attribute/observed.ts'

/** So many of a record's IP bytes, and of its other counts as large a part. */
export function portion(segment: Segment, ipBytes: number): Segment {
  const share = segment.ipBytes === 0 ? 0 : ipBytes / segment.ipBytes
  const scale = (value: number) => Math.round(value * share)
  return {
    ...segment,
    ipBytes,
    packets: scale(segment.packets),
    payloadBytes: segment.payloadBytes === null ? null : scale(segment.payloadBytes),
    sampledPackets: scale(segment.sampledPackets),
  }
}

/** A record in as many portions as there are weights, which together have all of its IP bytes. */
export function portions(segment: Segment, weights: readonly number[]): Segment[] {
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  let left = segment.ipBytes
  return weights.map((weight, at) => {
    const isLast = at === weights.length - 1
    const bytes = isLast ? left : Math.min(left, Math.round((segment.ipBytes * weight) / total))
    left -= bytes
    return portion(segment, bytes)
  })
}
