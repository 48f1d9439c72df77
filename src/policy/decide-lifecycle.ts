/** May a rule end this? The authority is what the bucket's owner has configured, as it stands when something ends. */
import type { BucketName, TenantId } from '../core/ids.ts'
import type { Authorized, Refusal } from './authorized.ts'
import { mint, noObligations } from './mint.ts'

export interface LifecycleStep {
  readonly action: 'lifecycle'
  readonly bucket: { readonly name: BucketName; readonly tenant: TenantId }
  readonly rule: string
  readonly key: string
}

export interface LifecycleFacts {
  /** Of the bucket's configuration now; empty when it has none. */
  readonly rules: readonly { readonly id: string; readonly enabled: boolean; readonly prefix: string }[]
  /** By the rule, of the version as it stands. */
  readonly dueUnixMs: number
  readonly nowUnixMs: number
}

export function decideLifecycle(
  step: LifecycleStep,
  { rules, dueUnixMs, nowUnixMs }: LifecycleFacts,
): Authorized<LifecycleStep> | Refusal {
  const rule = rules.find(({ id }) => id === step.rule)
  if (rule === undefined || !rule.enabled || !step.key.startsWith(rule.prefix) || dueUnixMs > nowUnixMs) {
    const message = `No rule of ${step.bucket.name} that is in force ends this now.`
    return { refused: true, rule: 'lifecycle-not-configured', message }
  }
  return mint(step, noObligations)
}
