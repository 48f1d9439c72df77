/** What is often tried and not read, by its first bytes (hex), so that the refusal can say what to do. */
const others: readonly (readonly [string, string])[] = [
  ['425a68', 'compressed with bzip2: unpack it first'],
  ['fd377a585a00', 'compressed with xz: unpack it first'],
  ['504b0304', 'a zip archive: unpack it first'],
  ['04224d18', 'compressed with lz4: unpack it first'],
  ['ff060000734e61507059', 'compressed with snappy: unpack it first'],
  ['1f9d', 'compressed with compress (.Z): unpack it first'],
  ['0ca5', 'a file of nfdump: print it with nfdump -r FILE -o csv'],
  ['a50c', 'a file of nfdump: print it with nfdump -r FILE -o csv'],
  ['736e6f6f70000000', 'a capture in the format of snoop: convert it to pcap'],
  ['0d0d0d0a', 'a capture in a format that is not pcap or pcapng'],
  ['d0cf11e0', 'a document of an office program'],
  ['25504446', 'a PDF'],
]

/** `null` for what is none of these either. */
export function otherFormat(head: Buffer): string | null {
  const hex = head.toString('hex', 0, 16)
  if (head.toString('latin1', 257, 262) === 'ustar') return 'a tar archive: unpack it first'
  return others.find(([magic]) => hex.startsWith(magic))?.[1] ?? null
}
