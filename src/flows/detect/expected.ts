/**
 * What the auditor has looked at and found to be in order. A mark lowers nothing and hides nothing: the detection is
 * shown as expected, with the reason and the name that stand behind it. `docs/formats/expected.md`.
 */
import { createHash } from 'node:crypto'
import { parse } from 'yaml'
import { z } from 'zod'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { parseIsoTime } from '../../core/time.ts'
import { parseAddress } from '../address.ts'
import { type Cidr, CidrTable, parseCidr } from '../locate/cidr.ts'
import { techniques } from './attack.ts'
import type { Detection, DetectionKind } from './detection.ts'

export type ExpectedMark = {
  readonly id: string
  readonly reason: string
  readonly by: string
  readonly untilUnixMs: number
  readonly matches: (detection: Detection) => boolean
}

export type ExpectedMarks = {
  readonly name: string
  readonly sha256: string
  readonly marks: readonly ExpectedMark[]
}

/** A detection and the mark that covers it, if one does; one that ran out is named, so that it is looked at again. */
export type Judged = {
  readonly detection: Detection
  readonly expected: ExpectedMark | null
  readonly ranOut: ExpectedMark | null
}

const mostMarks = 10_000
const day = z
  .string()
  .regex(/^\d{4}-\d\d-\d\d$/, 'must be a day like 2027-05-13')
  .transform((value, context) => {
    // `Date.parse` makes the second of March of the thirtieth of February.
    const unixMs = parseIsoTime(`${value}T00:00:00.000Z`)
    if (unixMs === null) context.addIssue('there is no such day')
    return unixMs ?? z.NEVER
  })
const text = (most: number) => z.string().trim().min(1).max(most)
const kind = z.enum(Object.keys(techniques) as [DetectionKind, ...DetectionKind[]])
const common = { reason: text(1000), by: text(200), until: day }
const keySchema = z.strictObject({
  key: z.string().regex(/^[0-9a-f]{20}$/, 'must be the key of a detection'),
  ...common,
})
const likeSchema = z
  .strictObject({
    kind,
    server: text(255).default('*'),
    destination: z
      .string()
      .transform((value, context) => {
        const cidr = parseCidr(value)
        if (cidr === null) context.addIssue(`"${value}" is no address or prefix`)
        return cidr ?? z.NEVER
      })
      .optional(),
    as: z.int().min(1).max(4_294_967_295).optional(),
    port: z.int().min(0).max(65_535).optional(),
    ...common,
  })
  .refine(
    ({ server, destination, as }) => /[^*]/.test(server) || destination !== undefined || as !== undefined,
    'must name a server, a destination or an AS: a kind alone would be everything',
  )
type Mark = z.infer<typeof keySchema> | z.infer<typeof likeSchema>
const fileSchema = z.strictObject({
  format: z.literal('holdfast/expected/v1'),
  expected: z.array(z.record(z.string(), z.unknown())).max(mostMarks),
})

/** YAML or JSON. Throws `bad-input` and names every fault at once. */
export function parseExpected(name: string, bytes: Uint8Array): ExpectedMarks {
  const faults: string[] = []
  const read = <Value>(schema: z.ZodType<Value>, value: unknown, where: string): Value | null => {
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    for (const { path, message } of parsed.error.issues) {
      faults.push(`${[where, ...path].filter(part => part !== '').join('.') || 'the file'}: ${message}`)
    }
    return null
  }
  const file = read(fileSchema, readYaml(name, bytes), '')
  // By which of its two forms a mark is read, its own `key` says: the faults are then those of that form only.
  const marks = (file?.expected ?? []).map((mark, i) =>
    read<Mark>('key' in mark ? keySchema : likeSchema, mark, `expected.${i}`),
  )
  if (faults.length > 0) throw new HoldfastError('bad-input', `${name}: ${faults.join('; ')}`)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return {
    name,
    sha256,
    marks: marks.filter(mark => mark !== null).map((mark, i) => createMark(name, i, mark)),
  }
}

function readYaml(name: string, bytes: Uint8Array): unknown {
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), { maxAliasCount: 0 })
  } catch (error) {
    throw new HoldfastError('bad-input', `${name}: ${messageOf(error)}`, {}, error)
  }
}

function createMark(name: string, index: number, mark: Mark): ExpectedMark {
  const common = { id: `${name}#${index + 1}`, reason: mark.reason, by: mark.by, untilUnixMs: mark.until }
  if ('key' in mark) return { ...common, matches: ({ key }) => key === mark.key }
  const isServer = glob(mark.server)
  const isThere = destinationTest(mark.destination)
  return {
    ...common,
    matches: ({ kind, server, destination }) =>
      kind === mark.kind &&
      isServer(server) &&
      isThere(destination?.address ?? null) &&
      (mark.as === undefined || destination?.place.asn === mark.as) &&
      (mark.port === undefined || destination?.service?.port === mark.port),
  }
}

/** `*` stands for any characters and is the only sign. Two pointers, so no pattern can make it slow. */
function glob(pattern: string): (value: string) => boolean {
  return value => {
    let [p, v, star, retry] = [0, 0, -1, 0]
    while (v < value.length) {
      if (pattern[p] === '*') [star, retry] = [p++, v]
      else if (pattern[p] === value[v]) [p, v] = [p + 1, v + 1]
      else if (star >= 0) [p, v] = [star + 1, ++retry]
      else return false
    }
    while (pattern[p] === '*') p += 1
    return p === pattern.length
  }
}

function destinationTest(cidr: Cidr | undefined): (address: string | null) => boolean {
  if (cidr === undefined) return () => true
  const table = new CidrTable<true>()
  table.add(cidr, true)
  return address => {
    const parsed = address === null ? null : parseAddress(address)
    return parsed !== null && table.find(parsed).length > 0
  }
}

/** `untilUnixMs` of a mark is the first moment at which it no longer holds. Judged at the time of the audit. */
export function judgeExpected(
  detections: readonly Detection[],
  expected: ExpectedMarks | null,
  nowUnixMs: number,
): Judged[] {
  return detections.map(detection => {
    const matching = expected?.marks.filter(mark => mark.matches(detection)) ?? []
    const holding = matching.find(({ untilUnixMs }) => nowUnixMs < untilUnixMs) ?? null
    return { detection, expected: holding, ranOut: holding === null ? (matching[0] ?? null) : null }
  })
}
