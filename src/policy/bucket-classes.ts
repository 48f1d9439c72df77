/** Which class of data a key's content is of: the bucket's, or that of the longest prefix that says otherwise. */
import { keepsRules } from './data-classes.ts'

export interface ClassedBucket {
  readonly dataClass: string
  /** Ascending by prefix. Left out: every key is of the bucket's. */
  readonly classes?: readonly ClassedPrefix[]
}

export interface ClassedPrefix {
  readonly prefix: string
  readonly dataClass: string
}

export function classOfKey({ dataClass, classes = [] }: ClassedBucket, key: string): string {
  let found: ClassedPrefix | null = null
  for (const each of classes)
    if (key.startsWith(each.prefix) && each.prefix.length >= (found?.prefix.length ?? 0)) found = each
  return found?.dataClass ?? dataClass
}

/**
 * What is in a scope, as prefixes: the keys of each, but for those of the longer ones after it, are of its class. The
 * first is the scope itself.
 */
export function classesWithin(bucket: ClassedBucket, scope: string): ClassedPrefix[] {
  const inner = (bucket.classes ?? []).filter(({ prefix }) => prefix !== scope && prefix.startsWith(scope))
  return [{ prefix: scope, dataClass: classOfKey(bucket, scope) }, ...inner]
}

/** Of what classes it is, each once, that of the scope itself first. */
export function dataClassesWithin(bucket: ClassedBucket, scope: string): string[] {
  return [...new Set(classesWithin(bucket, scope).map(({ dataClass }) => dataClass))]
}

/** Where in a scope data would come into a bucket that other rules are for; `null`: nowhere. */
export function lostWithin(
  from: ClassedBucket,
  to: ClassedBucket,
  scope: string,
): { readonly prefix: string; readonly from: string; readonly to: string } | null {
  const prefixes = [...classesWithin(from, scope), ...classesWithin(to, scope)].map(({ prefix }) => prefix)
  for (const prefix of prefixes) {
    const [source, target] = [classOfKey(from, prefix), classOfKey(to, prefix)]
    if (!keepsRules(source, target)) return { prefix, from: source, to: target }
  }
  return null
}

/** With one prefix of another class. */
export function withClass(
  bucket: ClassedBucket,
  prefix: string,
  dataClass: string,
): readonly ClassedPrefix[] {
  const others = (bucket.classes ?? []).filter(each => each.prefix !== prefix)
  return [...others, { prefix, dataClass }].sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
}
