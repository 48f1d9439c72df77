import type { Authorized, Obligations } from './authorized.ts'

export const noObligations: Obligations = { enterRead: false }

/** For the deciders in this folder and nobody else; the layer check refuses an import from outside. */
export function mint<Op>(op: Op, obligations: Obligations): Authorized<Op> {
  return { op, obligations } as Authorized<Op>
}
