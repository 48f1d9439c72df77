import type { Address } from '../address.ts'
import { CidrTable, parseCidr } from './cidr.ts'

/**
 * Addresses that no route takes abroad (IANA's special-purpose registries). Ranges for documentation are not here:
 * nobody should see them in traffic, so the audit does not say where they are, and that leaves them in doubt.
 */
const ranges: readonly (readonly [string, string])[] = [
  ['0.0.0.0/8', 'this network'],
  ['10.0.0.0/8', 'private'],
  ['100.64.0.0/10', 'shared (carrier NAT)'],
  ['127.0.0.0/8', 'loopback'],
  ['169.254.0.0/16', 'link-local'],
  ['172.16.0.0/12', 'private'],
  ['192.168.0.0/16', 'private'],
  ['198.18.0.0/15', 'benchmark'],
  ['224.0.0.0/4', 'multicast'],
  ['255.255.255.255/32', 'broadcast'],
  ['::/128', 'unspecified'],
  ['::1/128', 'loopback'],
  ['fc00::/7', 'private'],
  ['fe80::/10', 'link-local'],
  ['ff00::/8', 'multicast'],
]

export function createSpecialRanges(): (address: Address) => string | null {
  const table = new CidrTable<string>()
  for (const [cidr, kind] of ranges) table.add(parseCidr(cidr)!, kind)
  return address => table.find(address)[0] ?? null
}
