/** What is asked of every target, in the order in which it is asked. */
export interface Workload {
  readonly name: string
  readonly size: ObjectSize
  readonly kind: 'put' | 'get' | 'head' | 'list' | 'delete' | 'mixed' | 'hot'
  readonly connections: number
}

export interface ObjectSize {
  readonly name: string
  readonly bytes: number
  readonly keys: number
}

const kib = 1024
const mib = 2 ** 20

export function workloads(smallKeys: number): Workload[] {
  const small: ObjectSize = { name: '1 KiB', bytes: kib, keys: smallKeys }
  const medium: ObjectSize = { name: '64 KiB', bytes: 64 * kib, keys: 4000 }
  const mebi: ObjectSize = { name: '1 MiB', bytes: mib, keys: 400 }
  const large: ObjectSize = { name: '64 MiB', bytes: 64 * mib, keys: 8 }
  const at = (kind: Workload['kind'], size: ObjectSize, connections: number): Workload => ({
    name: `${kind === 'hot' ? 'GET, one hot key,' : kind.toUpperCase()} ${kind === 'list' ? '1,000 keys' : size.name}`,
    size,
    kind,
    connections,
  })
  return [
    ...[1, 8, 32, 64].map(connections => at('put', small, connections)),
    ...[1, 8, 32, 64].map(connections => at('get', small, connections)),
    at('hot', small, 32),
    at('head', small, 32),
    at('list', small, 8),
    at('mixed', small, 32),
    at('put', medium, 16),
    at('get', medium, 16),
    at('put', mebi, 8),
    at('get', mebi, 8),
    at('put', large, 4),
    at('get', large, 4),
    at('delete', small, 32),
  ]
}

export const keyOf = (size: ObjectSize, index: number): string =>
  `${size.name.replace(' ', '').toLowerCase()}/${String(index).padStart(9, '0')}`

/** Methods and keys of a workload's requests; `null` is the bucket's listing from a key on. */
export function requestsOf({ kind, size }: Workload): { method: string; key: string; list: boolean }[] {
  const keys = Array.from({ length: size.keys }, (_, index) => keyOf(size, index))
  const all = (method: string) => keys.map(key => ({ method, key, list: false }))
  switch (kind) {
    case 'put':
    case 'get':
    case 'head':
    case 'delete':
      return all(kind.toUpperCase())
    case 'hot':
      return [{ method: 'GET', key: keys[size.keys >> 1]!, list: false }]
    case 'list':
      return keys.filter((_, i) => i % 997 === 0).map(key => ({ method: 'GET', key, list: true }))
    case 'mixed':
      return keys.map((key, i) => ({ method: i % 10 < 7 ? 'GET' : 'PUT', key, list: false }))
  }
}
