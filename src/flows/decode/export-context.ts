import type { Notes } from './notes.ts'
import type { SequenceTracker } from './sequence.ts'

/** What a message decoder needs to know besides the message. */
export type ExportContext = {
  /** Address the datagram came from, or the name of the file it was in. */
  readonly exporter: string
  readonly notes: Notes
  readonly sequence: SequenceTracker
}
