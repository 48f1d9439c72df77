/** A tenant's own policy, from a file, checked before anybody is asked to sign it. */
import { readFileSync } from 'node:fs'
import { loadPackBook, packsFolder } from '../../policy/packs/load-packs.ts'
import type { TenantPolicies } from '../../policy/tenant/policies.ts'
import { UsageError } from '../io.ts'

/** Every region reads it again, by the groups of its own packs. */
export function readPolicyFile(
  path: string,
  policies: TenantPolicies = loadPackBook(packsFolder).policies,
): string {
  const text = readFileSync(path, 'utf8').replaceAll('\r\n', '\n')
  const fault = policies.faultOf(text)
  if (fault !== null) throw new UsageError(`${path}: ${fault}`)
  return text
}
