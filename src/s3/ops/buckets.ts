import type { IncomingHttpHeaders } from 'node:http'
import { equalBytes, toHex, utf8 } from '../../core/bytes.ts'
import { parseBucketName, parseRegionId, type RegionId } from '../../core/ids.ts'
import type { BucketCreate, BucketUse } from '../../policy/operations.ts'
import { type ConfigDocument, firstConfigs } from '../../store/bucket-configs.ts'
import { createBucket, deleteBucket, findBucket } from '../../store/buckets.ts'
import type { Put } from '../../store/catalog.ts'
import { type KnownBucket, sameBucket } from '../../store/objects.ts'
import { type BucketKeyRow, type BucketRow, type ConfigKind, encodeRow } from '../../store/rows.ts'
import { findTenant } from '../../store/tenants.ts'
import { type NewBucketAccess, newBucketAccess } from '../acl/new-bucket.ts'
import { collectContent, createBodyDecoder, planBody } from '../body.ts'
import { objectLockXml } from '../configs/object-lock.ts'
import { versioningXml } from '../configs/versioning.ts'
import { S3Error } from '../errors.ts'
import { type LocatedBucket, operation, type S3Context, type S3Region } from '../operation.ts'
import { childText, parseXml, xmlDocument } from '../xml.ts'
import { abortUploads } from './abort-uploads.ts'

const maxConfigurationBytes = 64 * 1024
/** How a bucket's data class is given at creation; it has no place in S3's own request. */
const dataClassHeader = 'x-holdfast-data-class'
const etagHeader = 'x-holdfast-etag'

export async function bucketUse(context: S3Context): Promise<{ op: BucketUse; target: LocatedBucket }> {
  const target = await context.locate(context.request.bucket!)
  return { op: { action: 'bucket.use', bucket: target.facts }, target }
}

export async function collectXml(
  context: S3Context,
  maxBytes: number,
  isChecksumOfBody = true,
): Promise<Buffer> {
  const plan = planBody(context.request.headers, context.payload, maxBytes, isChecksumOfBody)
  context.continueBody()
  return (await collectContent(context.message, createBodyDecoder(plan, false), maxBytes)).content
}

interface NewBucket {
  readonly region: S3Region
  readonly dataClass: string
  readonly etagMode: 'md5' | 'opaque'
  readonly hasObjectLock: boolean
  readonly access: NewBucketAccess
}

export const createBucketOperation = operation<BucketCreate, NewBucket>({
  name: 'CreateBucket',
  facts: async context => {
    const { request, identity } = context
    const name = parseBucketName(request.bucket!)
    if (name === null) throw new S3Error('InvalidBucketName', undefined, { BucketName: request.bucket! })
    const constraint = await locationConstraint(context)
    const region = regionOf(context, constraint)
    const dataClass = String(request.headers[dataClassHeader] ?? 'personal')
    const etagMode = request.headers[etagHeader] ?? 'md5'
    if (etagMode !== 'md5' && etagMode !== 'opaque')
      throw new S3Error('InvalidArgument', `${etagHeader} is md5 or opaque.`)
    const tenant = await findTenant(region.catalog, identity.tenant)
    return {
      op: { action: 'bucket.create', name, region: region.id, dataClass, joined: tenant !== null },
      target: {
        region,
        dataClass,
        etagMode,
        hasObjectLock: hasObjectLock(request.headers),
        access: await newBucketAccess(context, tenant?.newBuckets === 'classic'),
      },
      asked: constraint === null ? {} : { 's3:locationconstraint': [constraint] },
    }
  },
  run: async (context, authorized, { region, dataClass, etagMode, hasObjectLock, access }) => {
    const { services, identity } = context
    const { name } = authorized.op
    const { tenant } = identity
    const taken = async (): Promise<S3Error | null> => {
      for (const other of services.regions.values()) {
        const found = await findBucket(other.catalog, name)
        if (found !== null)
          return new S3Error(found.row.tenant === tenant ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists')
      }
      return null
    }
    // A name is one region's: of two who ask for it at once in two regions, one must see the other's bucket.
    using _name = await services.bucketNames.hold(name)
    const before = await taken()
    if (before !== null) throw before
    const key = await region.leases.create(tenant)
    const id = toHex(services.randomBytes(8))
    // Locks are of versions: a bucket with object lock keeps versions from the start.
    const documents: ConfigDocument[] = [...access.documents]
    if (hasObjectLock) {
      documents.push(
        { kind: 'versioning', body: versioningXml('Enabled') },
        { kind: 'object-lock', body: objectLockXml(null) },
      )
    }
    const first = firstConfigs(id, documents)
    const row: BucketRow = {
      v: 1,
      id,
      name,
      tenant,
      createdUnixMs: services.clock(),
      dataClass,
      etagMode,
      bucketKeyId: key.bucketKeyId,
      ...(documents.length > 0 && { configs: first.configs }),
      ...(access.isShared && { shared: true }),
      ...(hasObjectLock && { versioning: 'Enabled', objectLock: {} }),
    }
    const by = { accessKeyId: identity.accessKeyId }
    const created = region.drafts.draft({
      tenant,
      type: 'bucket.created',
      body: { bucket: name, dataClass, etagMode, by },
    })
    const keyed = region.drafts.draft({
      tenant,
      type: 'bucketkey.created',
      body: {
        bucket: name,
        bucketKeyId: key.bucketKeyId,
        holderKeyId: key.wrapped.holderKeyId,
        checkValue: key.checkValue,
      },
    })
    const configured = (kind: ConfigKind): Put => {
      const body = { bucket: name, kind, sha256: first.configs[kind] ?? null, by }
      return region.drafts.draft({ tenant, type: 'bucket.configured', body }).put
    }
    const keyRow: BucketKeyRow = { v: 1, ...key }
    const held = await createBucket(region.catalog, authorized, row, {
      puts: [
        { table: 'bucketkeys', key: utf8(key.bucketKeyId), value: encodeRow(keyRow) },
        ...first.puts,
        created.put,
        keyed.put,
        ...documents.map(({ kind }) => configured(kind)),
      ],
    })
    if (!held) throw (await taken()) ?? new S3Error('ConditionalRequestConflict')
    context.entered(created)
    return { status: 200, headers: { location: `/${name}` }, body: null }
  },
})

function hasObjectLock(headers: IncomingHttpHeaders): boolean {
  const header = headers['x-amz-bucket-object-lock-enabled']
  const text = header === undefined ? 'false' : String(header).toLowerCase()
  if (text === 'true' || text === 'false') return text === 'true'
  throw new S3Error('InvalidArgument', 'x-amz-bucket-object-lock-enabled is true or false.', {
    ArgumentName: 'x-amz-bucket-object-lock-enabled',
    ArgumentValue: String(header),
  })
}

async function locationConstraint(context: S3Context): Promise<string | null> {
  const body = await collectXml(context, maxConfigurationBytes)
  if (body.length === 0) return null
  const text = childText(parseXml(body, 'CreateBucketConfiguration'), 'LocationConstraint')
  return text === undefined || text === '' ? null : text
}

/** Without a constraint the tenant's home, which is set when the tenant is made; never a silent default. */
function regionOf(context: S3Context, constraint: string | null): S3Region {
  const { services, identity } = context
  const wanted: RegionId | null = constraint === null ? identity.home : parseRegionId(constraint)
  const region = wanted === null ? undefined : services.regions.get(wanted)
  if (region === undefined) {
    throw new S3Error('InvalidLocationConstraint', undefined, { LocationConstraint: constraint ?? '' })
  }
  const stopped = region.stopped()
  if (stopped !== null)
    throw new S3Error('ServiceUnavailable', `${stopped}: what cannot be entered is not done.`)
  return region
}

export const headBucketOperation = operation<BucketUse, LocatedBucket>({
  name: 'HeadBucket',
  facts: bucketUse,
  run: async (_context, _authorized, { region }) => ({
    status: 200,
    headers: { 'x-amz-bucket-region': region.id, 'content-type': 'application/xml' },
    body: null,
  }),
})

export const getBucketLocationOperation = operation<BucketUse, LocatedBucket>({
  name: 'GetBucketLocation',
  facts: bucketUse,
  run: async (_context, _authorized, { region }) => ({
    status: 200,
    headers: {},
    body: xmlDocument('LocationConstraint', region.id),
  }),
})

export const deleteBucketOperation = operation<BucketUse, LocatedBucket>({
  name: 'DeleteBucket',
  facts: bucketUse,
  run: async (context, authorized, bucket) => {
    const { tenant, name } = bucket.row
    const by = { accessKeyId: context.identity.accessKeyId }
    const entry = bucket.region.drafts.draft({ tenant, type: 'bucket.deleted', body: { bucket: name, by } })
    const { catalog } = bucket.region
    for (let known: KnownBucket = bucket; !(await deleteBucket(catalog, authorized, known, entry.put)); ) {
      const now = await sameBucket(catalog, known)
      if (now === null) throw new S3Error('NoSuchBucket', undefined, { BucketName: name })
      // Its row stands as it stood: what forbade it is what the bucket holds.
      if (equalBytes(now.bytes, known.bytes))
        throw new S3Error('BucketNotEmpty', undefined, { BucketName: name })
      known = now
    }
    context.entered(entry)
    // Uploads that were never completed are no objects and do not keep a bucket; their parts go with it.
    await abortUploads(context.services, bucket)
    return { status: 204, headers: {}, body: null }
  },
})
