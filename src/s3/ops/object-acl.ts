import type { ObjectRead, ObjectWrite } from '../../policy/operations.ts'
import type { ObjectRow } from '../../store/rows.ts'
import { aclXml } from '../acl/acl-xml.ts'
import { isPrivate, privateAcl } from '../acl/canned.ts'
import { aclOf, demandEnforced, demandUnblocked } from '../acl/new-object.ts'
import { findReadable, versionHeader, versionIdOf } from '../find-readable.ts'
import { type LocatedBucket, operation } from '../operation.ts'
import { requestedAcl } from './bucket-acl.ts'
import { changeAttributes } from './change-attributes.ts'
import { objectRead } from './get-object.ts'
import { objectWrite } from './put-object.ts'

export const getObjectAclOperation = operation<ObjectRead, LocatedBucket>({
  name: 'GetObjectAcl',
  facts: objectRead,
  run: async ({ request, services: { targets, owners } }, _authorized, bucket) => {
    const row = await findReadable(bucket, request.key!, versionIdOf(request))
    const isEnforced = (await targets.ownershipOf(bucket)) === 'BucketOwnerEnforced'
    const acl = isEnforced ? privateAcl(bucket.row.tenant) : aclOf(row, bucket.row.tenant)
    return { status: 200, headers: versionHeader(bucket.row, row), body: await aclXml(acl, owners) }
  },
})

export const putObjectAclOperation = operation<ObjectWrite, LocatedBucket>({
  name: 'PutObjectAcl',
  facts: objectWrite,
  run: async (context, authorized, bucket) => {
    const { request, services } = context
    const isEnforced = (await services.targets.ownershipOf(bucket)) === 'BucketOwnerEnforced'
    const found = await findReadable(bucket, request.key!, versionIdOf(request))
    const owner = isEnforced ? bucket.row.tenant : aclOf(found, bucket.row.tenant).owner
    const acl = await requestedAcl(context, bucket, owner)
    if (isEnforced) {
      demandEnforced(acl, request.headers['x-amz-acl'])
      return { status: 200, headers: versionHeader(bucket.row, found), body: null }
    }
    await demandUnblocked(context, bucket, acl)
    const change = ({ acl: _before, ...row }: ObjectRow): ObjectRow =>
      isPrivate(acl) ? row : { ...row, acl: acl.grants }
    const changed = await changeAttributes(
      context,
      authorized,
      bucket,
      change,
      (_row, name) => {
        const { region, row } = bucket
        const grants = acl.grants.map(({ grantee, permission }) => ({
          to: 'group' in grantee ? grantee.group : grantee.tenant,
          permission,
        }))
        return region.drafts.draft({ tenant: row.tenant, type: 'object.acl', body: { ...name, grants } })
      },
      'ObjectAcl:Put',
    )
    return { status: 200, headers: versionHeader(bucket.row, changed), body: null }
  },
})
