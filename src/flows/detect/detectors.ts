import { beacon, beaconOverPorts } from './beacon.ts'
import type { Channel } from './channels.ts'
import { coverProtocol } from './cover-protocol.ts'
import type { DetectionKind, Found } from './detection.ts'
import { dnsTunnel } from './dns-tunnel.ts'
import { createFanOut } from './fan-out.ts'
import { createFirstSeen } from './first-seen.ts'
import { icmpTunnel } from './icmp-tunnel.ts'
import { longConnection } from './long-connection.ts'
import type { Period } from './period.ts'
import { createSchedule } from './schedule.ts'
import { createSlowDrip } from './slow-drip.ts'
import type { PairTraffic, ServerTotals } from './traffic.ts'
import { uploadRatio } from './upload-ratio.ts'
import { createVolumeChange } from './volume-change.ts'

export type PairContext = { readonly pair: PairTraffic; readonly period: Period }

/** Judges a channel by itself. */
export type ChannelDetector = (channel: Channel, context: PairContext) => Found | null
/** Judges all that goes to one address. */
export type PairDetector = (channels: readonly Channel[], context: PairContext) => Found | null
/** Sees every pair, and judges when it has seen them all. Keeps a bounded amount. */
export type ServerWideDetector = {
  readonly pair: (channels: readonly Channel[], context: PairContext) => void
  readonly finish: (totals: ServerTotals) => readonly Found[]
}

export const channelDetectors: Readonly<Partial<Record<DetectionKind, ChannelDetector>>> = {
  beacon,
  'long-connection': longConnection,
  'dns-tunnel': dnsTunnel,
  'icmp-tunnel': icmpTunnel,
  'cover-protocol': coverProtocol,
}

export const pairDetectors: Readonly<Partial<Record<DetectionKind, PairDetector>>> = {
  beacon: beaconOverPorts,
  'upload-ratio': uploadRatio,
}

export const serverWideDetectors = {
  'first-seen': createFirstSeen,
  schedule: createSchedule,
  'slow-drip': createSlowDrip,
  'volume-change': createVolumeChange,
  'fan-out': createFanOut,
} satisfies Partial<
  Record<DetectionKind, (period: Period, known: ReadonlySet<string> | null) => ServerWideDetector>
>
