/** Who counted what: captures count frames, exporters IP packets, receipts what TCP carried. */
export type ByteBasis = 'ip' | 'frame' | 'payload'

/** Where a sampling rate was read. A rate that nobody stated is 1 and says so. */
export type SamplingSource = 'none' | 'header' | 'record' | 'options'

/** What every input is turned into: traffic in one direction, as one observer saw it. */
export type FlowRecord = {
  /** RFC 5952 text; an IPv4-mapped address is written as IPv4. */
  readonly srcAddr: string
  readonly dstAddr: string
  /** 0 where the protocol has none, or where a fragment's port was not seen. */
  readonly srcPort: number
  readonly dstPort: number
  readonly protocol: number
  /** Multiplied by the sampling rate. */
  readonly packets: number
  /** IP bytes, headers included, multiplied by the sampling rate: the one basis of every sum. */
  readonly ipBytes: number
  /** What TCP carried, where the input shows it exactly (captures); else it is estimated from packets. */
  readonly payloadBytes: number | null
  /** As the input said it, before the sampling rate and before the basis was changed. */
  readonly original: { readonly bytes: number; readonly packets: number; readonly basis: ByteBasis }
  readonly startUnixMs: number
  readonly endUnixMs: number
  /** As the observer says it looks at the packet, not at the server. */
  readonly direction: 'in' | 'out' | null
  /** Address, interface or file that observed; with `direction` it tells duplicates from more traffic. */
  readonly exporter: string
  readonly sampling: { readonly rate: number; readonly from: SamplingSource }
}

export const TCP = 6
export const UDP = 17

/** One pebibyte in one record is a broken or hostile counter, and it would spoil every sum after it. */
export const MAX_RECORD_BYTES = 2 ** 50
