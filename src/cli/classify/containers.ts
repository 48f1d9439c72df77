/** What is not looked into: content whose text is packed or coded, known by how it begins. */

const beginnings: readonly (readonly [name: string, hex: string])[] = [
  ['gzip', '1f8b'],
  ['zip, such as office documents', '504b0304'],
  ['Zstandard', '28b52ffd'],
  ['bzip2', '425a68'],
  ['xz', 'fd377a585a00'],
  ['7-Zip', '377abcaf271c'],
  ['LZ4', '04224d18'],
  ['RAR', '526172211a07'],
  ['PDF', '255044462d'],
  ['JPEG', 'ffd8ff'],
  ['PNG', '89504e470d0a1a0a'],
  ['Parquet', '50415231'],
  ['UTF-16', 'fffe'],
  ['UTF-16', 'feff'],
]

/** Enough to know one by. */
export const headBytes = 8

/** `null`: bytes that can be looked through as they are. */
export function containerOf(head: Uint8Array): string | null {
  const hex = Buffer.from(head).toString('hex')
  return beginnings.find(([, beginning]) => hex.startsWith(beginning))?.[0] ?? null
}
