/** An audit's evidence bundle: who signed it, whether its sums are sums, and whether the inputs are those that it names. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { bundleFormat, bundleText, signatureField } from '../flows/report/sign-bundle.ts'
import { noteFault, parseNote } from '../verify/note.ts'
import { parseVerifierKey } from '../verify/verifier-key.ts'
import { chunksOf } from './file-chunks.ts'

const bytes = z.number()
const grades = z.object({
  bytesAbroad: bytes,
  instructed: bytes,
  claimed: bytes,
  unexplained: bytes,
  disputed: bytes,
})
type Grades = z.infer<typeof grades>
const input = z.object({ name: z.string(), sha256: z.string(), bytes })
/** Loose: two connections may have the same numbers, and are told apart by all that is said of them. */
const connection = z.looseObject({
  server: z.string(),
  ipBytes: bytes,
  instructed: bytes,
  claimed: bytes,
  unexplained: bytes,
  disputed: bytes,
})
const schema = z.object({
  format: z.literal(bundleFormat),
  generated: z.string(),
  verdict: z.object({ state: z.string(), text: z.string() }),
  totals: grades,
  servers: z.array(grades.extend({ server: z.string(), destinations: z.array(grades) })),
  inputs: z.object({
    flows: z.array(input),
    inventory: input,
    places: input.nullable(),
    statements: z.array(input),
  }),
  matches: z.array(connection),
  residual: z.array(connection),
  leftOut: z.object({ matches: z.number(), residual: z.number() }),
  signer: z.string().nullable(),
  signature: z.string().nullable(),
})
type Bundle = z.infer<typeof schema>

export interface BundleVerdict {
  readonly failures: readonly string[]
  readonly facts: Readonly<Record<string, string | number>>
}

const names = ['bytesAbroad', 'instructed', 'claimed', 'unexplained', 'disputed'] as const

/** `signer`: the vkey that the reader expects; `null`: none was named, so nobody's word is behind it. */
export function checkBundle(path: string, signer: string | null): BundleVerdict {
  const file = readFileSync(path)
  let value: unknown
  try {
    value = JSON.parse(file.toString('utf8'))
  } catch {
    return { failures: ['the bundle is not JSON'], facts: {} }
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success)
    return { failures: [`not a ${bundleFormat}: ${z.prettifyError(parsed.error)}`], facts: {} }
  const bundle = parsed.data
  const found = inputFaults(bundle, dirname(path))
  const failures = [...signatureFaults(file, bundle, signer), ...sumFaults(bundle), ...found.faults]
  const facts = {
    verdict: bundle.verdict.text,
    generated: bundle.generated,
    servers: bundle.servers.length,
    ...Object.fromEntries(names.map(name => [name, bundle.totals[name]])),
    inputsCompared: `${found.compared} of ${found.named}`,
    signer: bundle.signer ?? '-',
  }
  return { failures, facts }
}

function signatureFaults(file: Buffer, bundle: Bundle, signer: string | null): string[] {
  if (bundle.signature === null || bundle.signer === null)
    return ['the bundle is not signed: anyone could have made or changed it']
  if (signer === null)
    return [`not anchored: name the auditor's key with --signer (the bundle names ${bundle.signer})`]
  const key = parseVerifierKey(signer, nodeVerifyCrypto)
  if (key === null) return ['--signer is no verifier key']
  const at = file.lastIndexOf(`\n${signatureField}`)
  const tail = `${signatureField}${JSON.stringify(bundle.signature)}\n}\n`
  if (at < 0 || file.subarray(at + 1).toString('utf8') !== tail)
    return ['the signature is not the last field']
  const note = parseNote(bundle.signature)
  if (note === null) return ['the signature is not a signed note']
  if (note.text !== bundleText(file.subarray(0, at + 1))) return ['the signature is over another document']
  const fault = noteFault(note, key, nodeVerifyCrypto)
  return fault === null ? [] : [`the signature: ${fault}`]
}

function sumFaults({ totals, servers, matches, residual, leftOut }: Bundle): string[] {
  const faults: string[] = []
  const add = (rows: readonly Grades[]): Grades => {
    const sum = { bytesAbroad: 0, instructed: 0, claimed: 0, unexplained: 0, disputed: 0 }
    for (const row of rows) for (const name of names) sum[name] += row[name]
    return sum
  }
  const compare = (what: string, stated: Grades, found: Grades): void => {
    for (const name of names)
      if (stated[name] !== found[name])
        faults.push(`${what}: ${name} is ${stated[name]} and its parts add up to ${found[name]}`)
  }
  compare('the totals', totals, add(servers))
  for (const server of servers) {
    compare(`server ${server.server}`, server, add(server.destinations))
    const graded = server.instructed + server.claimed + server.unexplained + server.disputed
    if (graded !== server.bytesAbroad)
      faults.push(`server ${server.server}: ${graded} bytes are graded of ${server.bytesAbroad}`)
  }
  if (leftOut.matches + leftOut.residual > 0) return faults
  // Every connection is written out: some stand in both lists.
  const rows = new Map([...matches, ...residual].map(row => [JSON.stringify(row), row]))
  for (const name of ['instructed', 'claimed', 'unexplained'] as const) {
    let sum = 0
    for (const row of rows.values()) sum += row[name]
    if (sum < totals[name])
      faults.push(`the connections hold ${sum} bytes ${name}, the totals ${totals[name]}`)
  }
  return faults
}

/** Inputs that lie beside the bundle under their names; those that do not are counted and say nothing. */
function inputFaults(
  { inputs }: Bundle,
  folder: string,
): { readonly faults: string[]; readonly compared: number; readonly named: number } {
  const all = [
    ...inputs.flows,
    inputs.inventory,
    ...(inputs.places === null ? [] : [inputs.places]),
    ...inputs.statements,
  ]
  const faults: string[] = []
  let compared = 0
  for (const { name, sha256 } of all) {
    const path = join(folder, name)
    if (name.includes('/') || name.includes('\\') || !existsSync(path)) continue
    compared++
    const digest = createHash('sha256')
    for (const chunk of chunksOf(path)) digest.update(chunk)
    if (digest.digest('hex') !== sha256) faults.push(`${name} is not the file that was audited`)
  }
  return { faults, compared, named: all.length }
}
