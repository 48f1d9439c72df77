/**
 * A statement's entries as an account: what came in, what went out, what is there. Bytes at rest are sealed bytes, as
 * they lie on disk; bytes that were read are what was sent. Entries come from a verified statement; bodies of types
 * that a later region writes are passed over.
 */
import type { EntryPayload } from '../../verify/payload.ts'

export interface BucketAccount {
  objectsIn: number
  objectsOut: number
  bytesIn: number
  bytesOut: number
  /** Sent to readers at home. */
  readsHome: number
  readsHomeBytes: number
}

export interface AbroadAccount {
  reads: number
  bytes: number
  /** Entries that tell of a connection with this country, and what left over it: all bytes, those of reads too. */
  connections: number
  bytesOut: number
}

export interface InstructionAccount {
  kind: string
  from: string
  to: string
  purpose: string
  approvals: number
  state: string
  objects: number
  bytes: number
}

export interface Account {
  readonly buckets: Map<string, BucketAccount>
  /** By country; `?` where it was not known. */
  readonly abroad: Map<string, AbroadAccount>
  readonly instructions: Map<string, InstructionAccount>
  refusals: number
  take(entry: EntryPayload): void
}

type Body = Readonly<Record<string, unknown>>

const text = (body: Body, name: string): string =>
  typeof body[name] === 'string' ? (body[name] as string) : ''
const count = (body: Body, name: string): number =>
  typeof body[name] === 'number' ? (body[name] as number) : 0
const inner = (body: Body, name: string): Body =>
  typeof body[name] === 'object' && body[name] !== null ? (body[name] as Body) : {}

export function openAccount(): Account {
  const buckets = new Map<string, BucketAccount>()
  const abroad = new Map<string, AbroadAccount>()
  const instructions = new Map<string, InstructionAccount>()
  /** Sealed bytes of what is at rest, by origin id: a deletion does not repeat them. */
  const sizes = new Map<string, number>()
  const opened = new Map<string, string>()

  const bucketOf = (name: string): BucketAccount => {
    const known = buckets.get(name) ?? {
      objectsIn: 0,
      objectsOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      readsHome: 0,
      readsHomeBytes: 0,
    }
    buckets.set(name, known)
    return known
  }
  const abroadOf = (country: string): AbroadAccount => {
    const known = abroad.get(country) ?? { reads: 0, bytes: 0, connections: 0, bytesOut: 0 }
    abroad.set(country, known)
    return known
  }
  const instructionOf = (id: string): InstructionAccount => {
    const known = instructions.get(id) ?? {
      kind: '',
      from: '',
      to: '',
      purpose: '',
      approvals: 0,
      state: 'drafted',
      objects: 0,
      bytes: 0,
    }
    instructions.set(id, known)
    return known
  }
  const arrive = (bucket: string, origin: string, bytes: number): void => {
    sizes.set(origin, bytes)
    const account = bucketOf(bucket)
    account.objectsIn++
    account.bytesIn += bytes
  }
  const leave = (bucket: string, origin: string): void => {
    const account = bucketOf(bucket)
    account.objectsOut++
    account.bytesOut += sizes.get(origin) ?? 0
    sizes.delete(origin)
  }

  const rules: Readonly<Record<string, (body: Body, entry: EntryPayload) => void>> = {
    'bucket.created': body => void bucketOf(text(body, 'bucket')),
    'object.put': body => {
      arrive(text(body, 'bucket'), text(body, 'originId'), count(body, 'ciphertextBytes'))
      if (typeof body.replaced === 'string') leave(text(body, 'bucket'), body.replaced)
    },
    'object.deleted': body => leave(text(body, 'bucket'), text(body, 'originId')),
    'object.marked': body => {
      if (typeof body.replaced === 'string') leave(text(body, 'bucket'), body.replaced)
    },
    'transfer.arrived': body => {
      for (const object of Array.isArray(body.objects) ? (body.objects as unknown[]) : []) {
        const [origin, bytes] = Array.isArray(object) ? (object as unknown[]) : []
        if (typeof origin === 'string' && typeof bytes === 'number')
          arrive(text(body, 'toBucket'), origin, bytes)
      }
    },
    'reads.summed': body => {
      const account = bucketOf(text(body, 'bucket'))
      account.readsHome += count(body, 'count')
      account.readsHomeBytes += count(body, 'bytes')
    },
    'read.opened': (body, { id }) => {
      const country = text(inner(body, 'client'), 'country') || '?'
      opened.set(id, country)
      abroadOf(country).reads++
    },
    'read.closed': body => {
      const country = opened.get(text(body, 'opening'))
      if (country !== undefined) abroadOf(country).bytes += count(body, 'bytes')
      opened.delete(text(body, 'opening'))
    },
    connection: body => {
      const account = abroadOf(text(inner(body, 'remote'), 'country') || '?')
      account.connections++
      account.bytesOut += count(body, 'bytesOut')
    },
    refusal: body => {
      account.refusals += count(body, 'count')
    },
    'instruction.drafted': body => {
      const instruction = instructionOf(text(body, 'instruction'))
      Object.assign(instruction, orderIn(inner(body, 'envelope')))
    },
    'instruction.approved': body => {
      instructionOf(text(body, 'instruction')).approvals++
    },
    'instruction.state': body => {
      const instruction = instructionOf(text(body, 'instruction'))
      instruction.state = text(body, 'state')
      instruction.objects = count(body, 'objects')
      instruction.bytes = count(body, 'bytes')
    },
  }

  const account: Account = {
    buckets,
    abroad,
    instructions,
    refusals: 0,
    take(entry) {
      if (Object.hasOwn(rules, entry.type)) rules[entry.type]!(entry.body as Body, entry)
    },
  }
  return account
}

/** What an instruction orders, from its envelope; the statement's verification vouches that the region entered it. */
function orderIn(envelope: Body): Partial<InstructionAccount> {
  try {
    const order = JSON.parse(Buffer.from(text(envelope, 'payload'), 'base64').toString('utf8')) as Body
    const place = (name: string): string => {
      const side = inner(order, name)
      return text(side, 'bucket') === '' ? '' : `${text(side, 'bucket')} (${text(side, 'region')})`
    }
    return {
      kind: text(order, 'kind'),
      from: place('from') || text(order, 'region'),
      to: place('to'),
      purpose: text(order, 'purpose'),
    }
  } catch {
    return {}
  }
}
