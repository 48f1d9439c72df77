import type { FlowRecord } from '../flow-record.ts'
import type { ExportContext } from './export-context.ts'
import { decodeIpfix } from './ipfix.ts'
import { decodeNetflowFixed } from './netflow-fixed.ts'
import { decodeNetflowV9 } from './netflow-v9.ts'
import type { Notes } from './notes.ts'
import { SequenceTracker } from './sequence.ts'
import { createSflowState, decodeSflow, type SflowState } from './sflow.ts'
import { createTemplateState, type TemplateState } from './template-messages.ts'

export type ExportDecoder = {
  /** The flows of one datagram; also those of earlier ones whose template it brought. */
  /** `unixMs` is when the datagram was captured, where that is known: sFlow says no date of its own. */
  readonly decode: (message: Buffer, exporter: string, unixMs?: number) => readonly FlowRecord[]
  /** Counts what still waits for a template, and gives the flows of samples that were not ended yet. */
  readonly end: () => readonly FlowRecord[]
  /** The flows of samples so far; what comes later begins new ones. */
  readonly cut: () => readonly FlowRecord[]
  /** What it knows, for one who keeps that over restarts (`collect/decoder-snapshot.ts`). */
  readonly knowledge: {
    readonly state: TemplateState
    readonly sflow: SflowState
    readonly sequence: SequenceTracker
  }
}

/** Datagrams of flow exporters, whatever the version; state is kept by exporter and observation domain. */
export function createExportDecoder(notes: Notes): ExportDecoder {
  const state = createTemplateState({ notes })
  const sflow = createSflowState()
  const sequence = new SequenceTracker(notes)
  const cut = () => [...sflow.flows.endAll(), ...state.records.sections.endAll()]
  return {
    cut,
    knowledge: { state, sflow, sequence },
    decode(message, exporter, unixMs) {
      const context = { exporter, notes, sequence }
      // sFlow's version is 32 bits, so its first 16 are zero.
      if (message.length >= 4 && message.readUInt16BE(0) === 0 && message.readUInt16BE(2) === 5) {
        return decodeSflow(message, context, sflow, unixMs ?? null)
      }
      const records = decodeVersion(message, context, state)
      const sampled = state.records.sections.takeDone()
      if (state.late.length === 0 && sampled.length === 0) return records
      const late = state.late
      state.late = []
      return [...late, ...records, ...sampled]
    },
    end() {
      state.templates.end()
      state.sampling.end()
      sequence.end()
      return cut()
    },
  }
}

function decodeVersion(message: Buffer, context: ExportContext, state: TemplateState): FlowRecord[] {
  const version = message.length >= 2 ? message.readUInt16BE(0) : null
  switch (version) {
    case 1:
    case 5:
    case 7:
      return decodeNetflowFixed(message, version, context)
    case 9:
      return decodeNetflowV9(message, context, state)
    case 10:
      return decodeIpfix(message, context, state)
    default:
      context.notes.unread(
        version === null ? 'datagram too short' : `datagram of no export version we read (${version})`,
        message.length,
      )
      return []
  }
}
