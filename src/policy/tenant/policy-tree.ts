/** A policy as Cedar parsed it: what it names, and how often the clock alone can change what it says. */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'

/** `hour`: it asks for the hour or the day of the week; `second`: for the time itself. */
export type Clockwork = 'none' | 'hour' | 'second'

export interface PolicyTree {
  readonly names: readonly { readonly type: string; readonly name: string }[]
  readonly clockwork: Clockwork
}

const clocks: Readonly<Record<string, Clockwork>> = { at: 'second', hour: 'hour', weekday: 'hour' }

export function readPolicyTree(policy: PolicyJson): PolicyTree {
  const names: { type: string; name: string }[] = []
  let clockwork: Clockwork = 'none'
  const turns = (other: Clockwork): void => {
    if (other === 'second' || clockwork === 'none') clockwork = other
  }
  // The tree is as deep as its text, which was counted before it was parsed.
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    if (Array.isArray(node)) {
      for (const each of node) walk(each)
      return
    }
    const fields = node as Readonly<Record<string, unknown>>
    if (typeof fields.type === 'string' && typeof fields.id === 'string')
      names.push({ type: fields.type, name: fields.id })
    // The context taken as a whole has the time in it.
    if (fields.Var === 'context') turns('second')
    const read = fields['.'] ?? fields.has
    if (isAttributeOfContext(read)) {
      turns(Object.hasOwn(clocks, read.attr) ? clocks[read.attr]! : 'none')
      return
    }
    for (const each of Object.values(fields)) walk(each)
  }
  walk(policy)
  return { names, clockwork }
}

function isAttributeOfContext(node: unknown): node is { readonly attr: string } {
  if (typeof node !== 'object' || node === null) return false
  const { left, attr } = node as { left?: { Var?: unknown }; attr?: unknown }
  return left?.Var === 'context' && typeof attr === 'string'
}
