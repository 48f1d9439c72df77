/**
 * What the auditor has looked at and found to be in order. A mark lowers nothing and hides nothing: the detection is
 * shown as expected, with the reason and the name that stand behind it. `docs/formats/expected.md`.
 */
import { createHash } from 'node:crypto'
import { parse } from 'yaml'
import { z } from 'zod'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { parseAddress } from '../address.ts'
import { CidrTable, parseCidr } from '../locate/cidr.ts'
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
  .transform(text => Date.parse(`${text}T00:00:00.000Z`))
  .refine(value => !Number.isNaN(value), 'there is no such day')
const text = (most: number) => z.string().trim().min(1).max(most)
const kind = z.enum(Object.keys(techniques) as [DetectionKind, ...DetectionKind[]])
const common = { reason: text(1000), by: text(200), until: day }
const markSchema = z.union([
  z.strictObject({ key: z.string().regex(/^[0-9a-f]{20}$/, 'must be the key of a detection'), ...common }),
  z
    .strictObject({
      kind,
      server: text(255).default('*'),
      destination: text(64).optional(),
      as: z.int().min(1).max(4_294_967_295).optional(),
      port: z.int().min(0).max(65_535).optional(),
      ...common,
    })
    .refine(
      ({ server, destination, as }) => server !== '*' || destination !== undefined || as !== undefined,
      'must name a server, a destination or an AS: a kind alone would be everything',
    ),
])
const fileSchema = z.strictObject({
  format: z.literal('holdfast/expected/v1'),
  expected: z.array(markSchema).max(mostMarks),
})

/** YAML or JSON. Throws `bad-input` and names every fault at once. */
export function parseExpected(name: string, bytes: Uint8Array): ExpectedMarks {
  const parsed = fileSchema.safeParse(readYaml(name, bytes))
  if (!parsed.success) {
    const faults = parsed.error.issues.map(
      ({ path, message }) => `${path.join('.') || 'the file'}: ${message}`,
    )
    throw new HoldfastError('bad-input', `${name}: ${faults.join('; ')}`)
  }
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { name, sha256, marks: parsed.data.expected.map((mark, i) => createMark(name, i, mark)) }
}

function readYaml(name: string, bytes: Uint8Array): unknown {
  try {
    return parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), { maxAliasCount: 0 })
  } catch (error) {
    throw new HoldfastError('bad-input', `${name}: ${messageOf(error)}`, {}, error)
  }
}

function createMark(name: string, index: number, mark: z.infer<typeof markSchema>): ExpectedMark {
  const common = { id: `${name}#${index + 1}`, reason: mark.reason, by: mark.by, untilUnixMs: mark.until }
  if ('key' in mark) return { ...common, matches: ({ key }) => key === mark.key }
  const isServer = glob(mark.server)
  const isThere = destinationTest(name, index, mark.destination)
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

function destinationTest(
  name: string,
  index: number,
  text: string | undefined,
): (address: string | null) => boolean {
  if (text === undefined) return () => true
  const cidr = parseCidr(text)
  if (cidr === null) {
    throw new HoldfastError(
      'bad-input',
      `${name}: expected.${index}.destination: "${text}" is no address or prefix`,
    )
  }
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
