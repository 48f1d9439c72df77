/**
 * What a decoder has learned, as plain data: templates, sampling rates, expected numbers, running totals, and data that
 * waits for its template. Kept with every segment that was decoded, so that a restart goes on as if there had been none.
 */
import type { ExportDecoder } from '../decode/export-decoder.ts'
import type { Notes } from '../decode/notes.ts'
import type { Total } from '../decode/running-totals.ts'
import { noSamplingFields } from '../decode/sampling.ts'
import type { StreamExpectation } from '../decode/sequence.ts'
import type { Template } from '../decode/template.ts'
import { holdDataSet } from '../decode/template-messages.ts'
import type { MessageTimes } from '../decode/template-record.ts'

export type DecoderSnapshot = {
  readonly templates: readonly (readonly [domain: string, template: Template])[]
  readonly rates: readonly (readonly [domain: string, sampler: number | null, rate: number])[]
  readonly boots: readonly (readonly [domain: string, unixMs: number])[]
  readonly streams: readonly StreamExpectation[]
  readonly totals: readonly (readonly [flow: string, total: Total])[]
  readonly held: readonly HeldData[]
  readonly sflow: {
    readonly last: readonly (readonly [stream: string, sequence: number])[]
    readonly drops: readonly (readonly [sampler: string, drops: number | null])[]
  }
}

export type HeldData = {
  readonly domain: string
  readonly id: number
  readonly exporter: string
  readonly times: MessageTimes
  readonly base64: string
}

export function snapshotOf({ knowledge: { state, sflow, sequence } }: ExportDecoder): DecoderSnapshot {
  return {
    templates: [...state.templates.all()],
    rates: [...state.sampling.stated()],
    boots: [...state.bootUnixMs],
    streams: [...sequence.expectations()],
    totals: [...state.records.totals.entries()],
    held: [...state.templates.allHeld()].map(([domain, id, { exporter, times, bytes }]) => ({
      domain,
      id,
      exporter,
      times,
      base64: bytes.toString('base64'),
    })),
    sflow: {
      last: [...sflow.last],
      drops: [...sflow.samplers].map(([name, { drops }]) => [name, drops] as const),
    },
  }
}

/** Into a decoder that has read nothing yet. */
export function restoreInto(decoder: ExportDecoder, notes: Notes, snapshot: DecoderSnapshot): void {
  const { state, sflow, sequence } = decoder.knowledge
  for (const [domain, template] of snapshot.templates) state.templates.put(domain, template)
  for (const [domain, sampler, rate] of snapshot.rates)
    state.sampling.learn(domain, { ...noSamplingFields(), sampler, interval: rate })
  for (const [domain, unixMs] of snapshot.boots) state.bootUnixMs.set(domain, unixMs)
  for (const stream of snapshot.streams) sequence.expect(stream)
  state.records.totals.restore(snapshot.totals)
  for (const { domain, id, exporter, times, base64 } of snapshot.held) {
    const context = { exporter, notes, sequence }
    holdDataSet(state, context, domain, id, Buffer.from(base64, 'base64'), times)
  }
  for (const [stream, number] of snapshot.sflow.last) sflow.last.set(stream, number)
  for (const [name, drops] of snapshot.sflow.drops) sflow.samplers.set(name, { drops })
}
