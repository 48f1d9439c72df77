import type { TenantId } from '../../core/ids.ts'
import type { Acl, Grantee } from '../../policy/acl.ts'
import type { Owners, ShownOwner } from '../owners.ts'
import { type XmlNode, xmlDocument } from '../xml.ts'
import { groupUri } from './read-acl.ts'

export async function aclXml(acl: Acl, owners: Owners): Promise<string> {
  const tenants = acl.grants.flatMap(({ grantee }) => ('tenant' in grantee ? [grantee.tenant] : []))
  const show = await owners.showAll([acl.owner, ...tenants])
  return xmlDocument('AccessControlPolicy', {
    Owner: show(acl.owner),
    AccessControlList: {
      Grant: acl.grants.map(({ grantee, permission }) => ({
        ...granteeXml(grantee, show),
        Permission: permission,
      })),
    },
  })
}

function granteeXml(
  grantee: Grantee,
  show: (tenant: TenantId) => ShownOwner,
): Readonly<Record<string, XmlNode>> {
  const named = (type: string): string =>
    `Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="${type}"`
  if ('group' in grantee) return { [named('Group')]: { URI: groupUri(grantee.group) } }
  return { [named('CanonicalUser')]: show(grantee.tenant) }
}
