import type { FlowRecord } from '../flow-record.ts'
import { Budget, exporterOf } from './budget.ts'
import type { ExportContext } from './export-context.ts'
import { unsigned } from './field-values.ts'
import { planRecord, type RecordPlan } from './record-plan.ts'
import {
  noSamplingFields,
  readSamplingField,
  type SamplingFields,
  SamplingTable,
  unsampled,
} from './sampling.ts'
import { parseFields, type Template, walkRecord } from './template.ts'
import { type MessageTimes, RecordReader } from './template-record.ts'
import { type LearnedTemplate, TemplateStore } from './template-store.ts'

/** What NetFlow v9 and IPFIX share: sets, templates, data that waits for its template, sampling from options. */
export type TemplateState = {
  readonly templates: TemplateStore
  readonly sampling: SamplingTable
  readonly records: RecordReader
  /** `systemInitTimeMilliseconds` that options records stated, by domain. */
  readonly bootUnixMs: Map<string, number>
  readonly bootBudget: Budget
  /** Flows of sets that had waited and whose template the message at hand brought. */
  late: FlowRecord[]
}

export function createTemplateState(context: Pick<ExportContext, 'notes'>): TemplateState {
  return {
    templates: new TemplateStore(context.notes),
    sampling: new SamplingTable(context.notes),
    records: new RecordReader(),
    bootUnixMs: new Map(),
    bootBudget: new Budget({ all: 100_000, each: 1000 }),
    late: [],
  }
}

/** One data set, read now or, when its template is not known yet, once that comes. Returns the records it held. */
export function readDataSet(
  state: TemplateState,
  context: ExportContext,
  domain: string,
  setId: number,
  set: Buffer,
  times: MessageTimes,
  into: FlowRecord[],
): number | null {
  const known = state.templates.get(domain, setId)
  if (known !== null) return readRecords(state, context, domain, known, set, times, into)
  holdDataSet(state, context, domain, setId, set, times)
  return null
}

/** Until its template comes. */
export function holdDataSet(
  state: TemplateState,
  context: ExportContext,
  domain: string,
  setId: number,
  set: Buffer,
  times: MessageTimes,
): void {
  // A copy: the set is a view into a buffer that its owner will use again.
  state.templates.hold(domain, setId, {
    bytes: Buffer.from(set),
    exporter: context.exporter,
    times,
    decode: (learned, bytes) => readRecords(state, context, domain, learned, bytes, times, state.late),
  })
}

function readRecords(
  state: TemplateState,
  context: ExportContext,
  domain: string,
  learned: LearnedTemplate,
  set: Buffer,
  times: MessageTimes,
  into: FlowRecord[],
): number {
  let at = 0
  let records = 0
  const { notes, exporter } = context
  const { template } = learned
  const rates = state.sampling.ofDomain(domain)
  const plan = rates?.hasInterfaces ? planWithInterfaces(learned) : learned.plan
  // One rate for the whole set, where its records say nothing of it.
  const common = plan.hasSampling ? null : state.sampling.of(rates, null)
  // Records that follow one another mostly name one sampler: those without a rate are counted together.
  let unstatedOf: number | null = null
  let unstated = 0
  const countUnstated = () => {
    if (unstated > 0) state.sampling.countUnstated(domain, unstatedOf, unstated)
    unstated = 0
  }
  const samplingOf = (fields: SamplingFields | null) => {
    const sampling = common ?? state.sampling.of(rates, fields)
    if (sampling !== unsampled) return sampling
    const sampler = fields === null ? null : fields.sampler
    if (sampler !== unstatedOf) countUnstated()
    unstatedOf = sampler
    unstated += 1
    return sampling
  }
  const recordContext = { exporter, domain, notes, samplingOf }
  const bootUnixMs = times.bootUnixMs ?? state.bootUnixMs.get(domain) ?? null
  const timed = { exportUnixMs: times.exportUnixMs, bootUnixMs }
  const { minBytes } = template
  while (at + minBytes <= set.length) {
    const next = template.isOptions
      ? readOptions(state, context, domain, template, set, at)
      : state.records.read(plan, minBytes, set, at, timed, recordContext, into)
    if (next === null) {
      countUnstated()
      notes.unread('record runs past its set', set.length - at)
      return records
    }
    at = next
    records += 1
  }
  countUnstated()
  // RFC 3954 section 5.3 and RFC 7011 section 3.3.1: what is shorter than a record is padding. Up to three bytes
  // align the set; not every exporter makes them zero.
  if (set.length - at > 3 && set.subarray(at).some(byte => byte !== 0)) {
    notes.unread('bytes after the last record of a set that are not padding', set.length - at)
  }
  return records
}

function planWithInterfaces(learned: LearnedTemplate): RecordPlan {
  learned.planWithInterfaces ??= planRecord(learned.template, true)
  return learned.planWithInterfaces
}

const v9InterfaceScope = 2

function readOptions(
  state: TemplateState,
  context: ExportContext,
  domain: string,
  template: Template,
  set: Buffer,
  at: number,
): number | null {
  const sampling = noSamplingFields()
  let boot: number | null = null
  const after = walkRecord(template, set, at, set.length, (field, offset, length, index) => {
    if (field.pen !== 0) return
    // Scopes of v9 are numbered on their own (RFC 3954 section 6.1), so 1 there is not octetDeltaCount.
    if (template.scopeIsV9 && index < template.scopeFields) {
      if (field.id !== v9InterfaceScope) return
      sampling.ingress = unsigned(set, offset, length)
      sampling.egress = sampling.ingress
    } else if (field.id === 160) boot = unsigned(set, offset, length)
    else readSamplingField(sampling, field.id, set, offset, length)
  })
  if (after === null) return null
  state.sampling.learn(domain, sampling)
  if (boot !== null && Number.isFinite(boot)) {
    if (state.bootUnixMs.has(domain) || state.bootBudget.spend(exporterOf(domain), 1)) {
      state.bootUnixMs.set(domain, boot)
    } else context.notes.unread('start time of an exporter: too many to keep')
  }
  context.notes.setAside('options record (what the exporter says of itself)')
  return after
}

/** Template records up to the end of their set. Padding at the end is shorter than a template record. */
export function readTemplates(
  state: TemplateState,
  context: ExportContext,
  domain: string,
  set: Buffer,
  shape: { readonly isIpfix: boolean; readonly isOptions: boolean },
): void {
  let at = 0
  const { isIpfix, isOptions } = shape
  const headerBytes = isOptions ? 6 : 4
  while (at + 4 <= set.length) {
    const id = set.readUInt16BE(at)
    if (id < 256) {
      // Set ids in a withdrawal of all (RFC 7011 section 8.1) are 2 and 3; zeros are padding.
      if (isIpfix && (id === 2 || id === 3) && set.readUInt16BE(at + 2) === 0) {
        state.templates.withdrawAll(domain, id === 3 ? 'options' : 'flows')
        at += 4
        continue
      }
      if (set.subarray(at).some(byte => byte !== 0)) {
        context.notes.unread('template with an id that is reserved', set.length - at)
      }
      return
    }
    if (isIpfix && set.readUInt16BE(at + 2) === 0) {
      state.templates.withdraw(domain, id)
      at += 4
      continue
    }
    if (at + headerBytes > set.length) {
      context.notes.unread('template cut off', set.length - at)
      return
    }
    const counts = isOptions
      ? optionsCounts(set, at, isIpfix)
      : { fieldCount: set.readUInt16BE(at + 2), scopeFields: 0 }
    const parsed = parseFields(set, at + headerBytes, { id, isOptions, ...counts, isIpfix })
    if (parsed === null || counts.scopeFields > counts.fieldCount) {
      context.notes.unread('template that makes no sense', set.length - at)
      return
    }
    state.templates.put(domain, parsed.template)
    at += headerBytes + parsed.bytes
  }
}

/** RFC 3954 section 6.1 gives lengths in bytes of both kinds of field; RFC 7011 section 3.4.2.2 gives counts. */
function optionsCounts(
  set: Buffer,
  at: number,
  isIpfix: boolean,
): { fieldCount: number; scopeFields: number } {
  const first = set.readUInt16BE(at + 2)
  const second = set.readUInt16BE(at + 4)
  if (isIpfix) return { fieldCount: first, scopeFields: second }
  return { fieldCount: (first >> 2) + (second >> 2), scopeFields: first >> 2 }
}
