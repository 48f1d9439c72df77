/** What a collector and its decoder say to each other. */
import type { Commit } from './commit.ts'
import type { MaintenancePlan } from './maintain.ts'

export type DecoderData = {
  readonly folder: string
  readonly memoryMiB: number
  readonly threads: number
  readonly maintenance: MaintenancePlan
}

export type ToDecoder =
  | { readonly kind: 'decode'; readonly segment: number }
  | { readonly kind: 'set-aside'; readonly segment: number }
  /** Roll up, merge, remove. */
  | { readonly kind: 'maintain'; readonly nowUnixMs: number }

/** Without what the decoder learned: that can be large, and is on disk. */
export type CommitSummary = Omit<Commit, 'decoder' | 'carried'>

export type FromDecoder =
  | { readonly kind: 'ready'; readonly commit: CommitSummary }
  | { readonly kind: 'done'; readonly commit: CommitSummary }
  | { readonly kind: 'failed'; readonly isFull: boolean; readonly message: string }
  | { readonly kind: 'maintained'; readonly message: string | null; readonly alerts: number }
