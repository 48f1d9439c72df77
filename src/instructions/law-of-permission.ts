/**
 * What the packs are asked of an order that lets somebody see. A disclosure is asked about as one, to the country of
 * whoever receives it; access from another country as a copy to there, because what is read there is there.
 */
import type { CountryCode } from '../core/ids.ts'
import type { ClassedBucket } from '../policy/bucket-classes.ts'
import { decideWithin, type JudgedClass, worstOf } from '../policy/packs/decide-within.ts'
import { notSaid, type PackBook, type PackFacts } from '../policy/packs/pack-book.ts'
import { mechanismsOf } from './kinds/mechanisms.ts'
import type { AccessInstruction, DiscloseInstruction } from './kinds/people.ts'

export type PermissionOrder = AccessInstruction | DiscloseInstruction

/** Where whoever is let see is. */
export const seenFrom = (order: PermissionOrder): CountryCode =>
  order.kind === 'access' ? order.operator.country : order.recipient.country

/** Of the class in its scope that fares worst. */
export function lawOfPermission(
  packs: Pick<PackBook, 'decide'>,
  order: PermissionOrder,
  { country, bucket }: { readonly country: CountryCode; readonly bucket: ClassedBucket },
  nowUnixMs: number,
): JudgedClass {
  return worstOf(decideWithin(packs, bucket, order.prefix, actOfPermission(order, country), nowUnixMs))
}

export function actOfPermission(order: PermissionOrder, from: CountryCode): Omit<PackFacts, 'dataClass'> {
  return {
    action: order.kind === 'access' ? 'transfer' : 'disclose',
    from,
    to: seenFrom(order),
    mode: 'copy',
    mechanisms: mechanismsOf(order.mechanism),
    ...notSaid,
  }
}
