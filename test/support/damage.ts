import fc from 'fast-check'

/** Small and large damage of a document, as a tool, a disk or an enemy makes it. */
export function damaged(document: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.nat({ max: document.length - 1 })
  const splice = (from: number, count: number, put: Uint8Array): Uint8Array =>
    new Uint8Array([...document.subarray(0, from), ...put, ...document.subarray(from + count)])
  const tokens = [
    '"',
    '\n',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '0',
    '1',
    '-',
    '9'.repeat(20),
    'null',
    '\ud83d',
    '\u2014 ',
    '=',
    '__proto__',
    ' ',
  ]
  return fc.oneof(
    fc.tuple(at, fc.nat({ max: 7 })).map(([where, bit]) => {
      const changed = new Uint8Array(document)
      changed[where]! ^= 1 << bit
      return changed
    }),
    fc.tuple(at, fc.nat({ max: 60 })).map(([where, count]) => splice(where, count, new Uint8Array(0))),
    fc
      .tuple(at, fc.constantFrom(...tokens))
      .map(([where, token]) => splice(where, 0, new TextEncoder().encode(token))),
    fc
      .tuple(at, fc.constantFrom(...tokens))
      .map(([where, token]) => splice(where, 1, new TextEncoder().encode(token))),
    fc
      .tuple(at, at, fc.nat({ max: 200 }))
      .map(([where, from, count]) => splice(where, 0, document.subarray(from, from + count))),
    fc
      .tuple(at, at, fc.nat({ max: 200 }))
      .map(([where, from, count]) => splice(where, count, document.subarray(from, from + count))),
    fc.tuple(at, fc.uint8Array({ maxLength: 40 })).map(([where, put]) => splice(where, put.length, put)),
  )
}
