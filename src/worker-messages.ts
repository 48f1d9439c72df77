/** What the main process and its workers say to each other, over the channel that Node gives a forked process. */

import type { RegionId } from './core/ids.ts'
import type { MetricsSnapshot } from './core/metrics.ts'

export type ToWorker =
  | { readonly kind: 'fault'; readonly region: RegionId; readonly reason: string }
  | { readonly kind: 'held'; readonly hold: number }
  | { readonly kind: 'metrics'; readonly question: number }
  | { readonly kind: 'reload-certificate' }
  | { readonly kind: 'stop' }

export type FromWorker =
  | { readonly kind: 'ready'; readonly port: number; readonly tlsPort: number | null }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'hold'; readonly hold: number; readonly name: string }
  | { readonly kind: 'release'; readonly hold: number }
  | { readonly kind: 'metrics'; readonly question: number; readonly snapshot: MetricsSnapshot }
