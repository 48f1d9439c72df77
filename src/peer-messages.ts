/** What the main thread and the one that hears the peers say to each other. */
import type { InstructionId, RegionId } from './core/ids.ts'
import type { LogFields, LogLevel } from './core/log.ts'

export type ToPeerThread =
  /** POSIX seconds: the latest time that a witness has put to the region's log. */
  | { readonly kind: 'witnessed'; readonly region: RegionId; readonly timeUnixS: number }
  | { readonly kind: 'stop' }

export type FromPeerThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: string }
  /** Something may run now that could not before. */
  | { readonly kind: 'wake'; readonly region: RegionId; readonly instruction: InstructionId }
  | {
      readonly kind: 'log'
      readonly level: LogLevel
      readonly event: string
      readonly fields: LogFields | undefined
    }
