/** `instruct erase`: which entries name something, by a statement that verified, and the order to erase them. */
import { readFileSync } from 'node:fs'
import type { Json } from '../core/canonical-json.ts'
import { HoldfastError } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { endedBy, whyKept } from '../instructions/erasable.ts'
import { maxErasedEntries } from '../instructions/kinds/erase.ts'
import type { EntryPayload } from '../verify/payload.ts'
import { checkStatement } from '../verify/statement.ts'
import { parseTrust, type Trust } from '../verify/trust.ts'
import { fetchApi } from './api-client.ts'
import { type CustomerCredentials, customerFiles } from './customer-folder.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { draftOf, ordererOf, orderOptions, sendDraft } from './order.ts'

/** What is to be erased: entries by id, or those that name a bucket or what is in it. */
interface Wanted {
  readonly ids: ReadonlySet<string>
  readonly bucket: string | null
  readonly names: (key: string) => boolean
  /** Also what names the bucket and no key. */
  readonly whole: boolean
}

export async function instructEraseCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      region: { type: 'string' },
      entry: { type: 'string', multiple: true },
      bucket: { type: 'string' },
      key: { type: 'string' },
      prefix: { type: 'string' },
      ...orderOptions,
      'dry-run': { type: 'boolean' },
    },
  })
  const region = required(values.region, '--region R')
  const wanted = wantedBy(values)
  const purpose = values['dry-run'] ? (values.purpose ?? 'a dry run') : values.purpose
  const orderer = ordererOf(values, io)
  const { credentials } = orderer
  const files = customerFiles(orderer.folder)
  const trust = parseTrust(readFileSync(files.trust, 'utf8'), nodeVerifyCrypto)
  if (typeof trust === 'string') throw new HoldfastError('not-verified', `${files.trust}: ${trust}`)
  const log = trust.regions.get(region)?.log
  if (log === undefined) throw new HoldfastError('not-found', `the trust file has no region ${region}`)

  const { found, ended } = await findEntries(credentials, trust, region, wanted)
  if (!values.json) for (const entry of found) io.stdout.write(lineOf(entry))
  const stored = found.filter(({ type, body }) => type === 'object.put' && !ended.has(String(body.originId)))
  if (stored.length > 0 && !values.json)
    io.stderr.write(
      `${stored.length} of them tell of objects that seem to be stored still; the region refuses the erasure until they are deleted, every version of them\n`,
    )
  if (found.length === 0) throw new HoldfastError('not-found', 'no entry that can be erased names that')
  const parts = Math.ceil(found.length / maxErasedEntries)
  const documents = Array.from({ length: parts }, (_, at) =>
    draftOf(
      orderer,
      { ...values, purpose },
      {
        kind: 'erase',
        ledger: log.origin,
        region,
        scope: {
          entries: found
            .slice(at * maxErasedEntries, (at + 1) * maxErasedEntries)
            .map(({ seq, id }): Json => [seq, id]),
        },
      },
    ),
  )
  if (values['dry-run']) {
    const entries = found.map(({ seq, id, type }) => ({ seq, id, type }))
    if (values.json) io.stdout.write(`${JSON.stringify({ region, entries })}\n`)
    else io.stdout.write(`${found.length} entries would be erased; nothing was sent\n`)
    return 0
  }
  const ids: string[] = []
  for (const document of documents) {
    const { id, answer } = await sendDraft(credentials, files.folder, document)
    ids.push(id)
    if (!values.json)
      io.stdout.write(
        `instruction ${id}\nIt erases nothing until ${answer.quorum} approver(s) sign it, and then for good:\n  holdfast approve ${id} --key ${credentials.approverKey}\n`,
      )
  }
  if (values.json)
    io.stdout.write(`${JSON.stringify({ id: ids[0], ids, entries: found.length, state: 'drafted' })}\n`)
  return 0
}

function wantedBy(values: {
  readonly entry?: string[] | undefined
  readonly bucket?: string | undefined
  readonly key?: string | undefined
  readonly prefix?: string | undefined
}): Wanted {
  const { entry = [], bucket = null, key, prefix } = values
  if (entry.length > 0 === (bucket !== null))
    throw new UsageError('either --entry ID … or --bucket B says what to erase')
  if ((key !== undefined || prefix !== undefined) && bucket === null)
    throw new UsageError('--key and --prefix go with --bucket')
  if (key !== undefined && prefix !== undefined) throw new UsageError('--key and --prefix exclude each other')
  return {
    ids: new Set(entry),
    bucket,
    names: name => (key === undefined ? name.startsWith(prefix ?? '') : name === key),
    whole: key === undefined && prefix === undefined,
  }
}

/** By a statement of all that is entered, which is believed only when it verified. */
async function findEntries(
  credentials: CustomerCredentials,
  trust: Trust,
  region: string,
  wanted: Wanted,
): Promise<{ readonly found: EntryPayload[]; readonly ended: ReadonlySet<string> }> {
  const found: EntryPayload[] = []
  const ended = new Set<string>()
  const opened = new Set<string>()
  const kept: string[] = []
  const check = checkStatement(trust, nodeVerifyCrypto, ({ payload }) => {
    if (payload === null) return
    for (const origin of endedBy(payload)) ended.add(origin)
    const isAsked = wanted.ids.has(payload.id)
    if (!isAsked && !namesIt(payload, wanted, opened)) return
    if (payload.type === 'read.opened') opened.add(payload.id)
    const reason = whyKept(payload)
    if (reason === null) found.push(payload)
    // What merely names the bucket is left; what was asked for by its id is not passed over in silence.
    else if (isAsked) kept.push(`entry ${payload.id} (${payload.type}) is not erased: ${reason}`)
  })
  const path = `/regions/${encodeURIComponent(region)}/statement`
  const response = await fetchApi(credentials.api, 'GET', path, credentials.apiToken)
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) check.push(piece)
  const verdict = check.end()
  if (!verdict.verified)
    throw new HoldfastError('not-verified', `the statement of ${region}: ${verdict.failures.join('; ')}`)
  if (kept.length > 0) throw new HoldfastError('bad-input', kept.join('; '))
  const missing = [...wanted.ids].filter(id => !found.some(entry => entry.id === id))
  if (missing.length > 0)
    throw new HoldfastError('not-found', `not in the statement, or erased before: ${missing.join(', ')}`)
  return { found, ended }
}

function namesIt({ type, body }: EntryPayload, wanted: Wanted, opened: ReadonlySet<string>): boolean {
  const { bucket, names, whole } = wanted
  if (bucket === null) return false
  if (type === 'read.closed') return opened.has(String(body.opening))
  if (type === 'refusal') {
    const [name, ...rest] = String(body.resource).split('/')
    return name === bucket && (rest.length > 0 ? names(rest.join('/')) : whole)
  }
  const from = body.copiedFrom
  const places: unknown[] = [body, from]
  return places.some(place => {
    if (typeof place !== 'object' || place === null || !('bucket' in place) || place.bucket !== bucket)
      return false
    return 'key' in place && typeof place.key === 'string' ? names(place.key) : whole
  })
}

function lineOf({ seq, time, type, body }: EntryPayload): string {
  const of = [body.bucket, body.key].filter(part => typeof part === 'string').join('/')
  return `${String(seq).padStart(8)}  ${time}  ${type.padEnd(16)} ${JSON.stringify(of)}\n`
}
