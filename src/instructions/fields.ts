/** The fields that signed documents are made of, each readable in one way only. */
import { z } from 'zod'
import { parseBucketName, parseEntryId, parseRegionId, parseTenantId } from '../core/ids.ts'
import { parseIsoTime } from '../core/time.ts'

function parsed<Value>(parse: (text: string) => Value | null, what: string) {
  return z.string().transform((text, context): Value => {
    const value = parse(text)
    if (value !== null) return value
    context.addIssue(`not ${what}`)
    return z.NEVER
  })
}

const time = parsed(parseIsoTime, 'a time like 2026-01-31T00:00:00.000Z')
export const bucket = parsed(parseBucketName, 'a bucket name')
export const region = parsed(parseRegionId, 'a region id')
const tenant = parsed(parseTenantId, 'a tenant id')
export const entryId = parsed(parseEntryId, 'an entry id')
export const country = z.string().regex(/^[A-Z]{2}$/, 'not an ISO 3166-1 alpha-2 country code')
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'not a SHA-256 in lower-case hex')
export const prefix = z.string().max(1024)
/** Text that a person signs: one line, so that nothing of it can pass for another row of what is shown. */
export const line = (max: number) =>
  z
    .string()
    .regex(/^[^\p{Cc}\u2028\u2029]+$/u, 'not one line of text')
    .max(max)
export const end = z.strictObject({ bucket, region })
export const limit = z.int().min(0).nullable()

/** What every kind of instruction has. */
export const common = {
  /** Key id of whoever drafted it and signed the draft; left out, nobody says. */
  drafter: sha256.optional(),
  expires: time,
  ledger: z.string().min(1).max(300),
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  notBefore: time,
  purpose: z.string().min(1).max(1000),
  tenant,
  v: z.literal(1),
}
