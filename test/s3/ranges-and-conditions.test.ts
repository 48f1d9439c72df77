import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkCopySource, checkRead, parseRange, writeCondition } from '../../src/s3/conditions.ts'
import type { ObjectRow } from '../../src/store/rows.ts'

const modified = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const row = { etag: 'abc', modifiedUnixMs: modified } as ObjectRow
const [before, same, after] = [-1000, 0, 1000].map(offset => new Date(modified + offset).toUTCString())

describe('ranges', () => {
  it('cut what a slice of the same numbers cuts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }), fc.nat(350), fc.nat(350), (size, first, last) => {
        const bytes = Array.from({ length: size }, (_, i) => i)
        const header = `bytes=${first}-${last}`
        if (last < first) expect(parseRange(header, size)).toBeNull()
        else if (first >= size) expect(() => parseRange(header, size)).toThrow(/not satisfiable/)
        else {
          const { start, end } = parseRange(header, size)!
          expect(bytes.slice(start, end)).toEqual(bytes.slice(first, last + 1))
        }
      }),
    )
  })

  it('take open ends, and count from the back', () => {
    expect(parseRange('bytes=5-', 10)).toEqual({ start: 5, end: 10 })
    expect(parseRange('bytes=-3', 10)).toEqual({ start: 7, end: 10 })
    expect(parseRange('bytes=-30', 10)).toEqual({ start: 0, end: 10 })
    expect(() => parseRange('bytes=10-', 10)).toThrow(/not satisfiable/)
    expect(() => parseRange('bytes=-0', 10)).toThrow(/not satisfiable/)
    expect(() => parseRange('bytes=0-0', 0)).toThrow(/not satisfiable/)
  })

  it.each([undefined, '', 'bytes=', 'bytes=-', 'bytes=a-b', 'bytes=0-1,3-4', 'lines=0-1', 'bytes=5-2'])(
    'pass over what is no single range: %s',
    header => expect(parseRange(header, 10)).toBeNull(),
  )
})

describe('conditions of a read (RFC 9110, section 13.2.2)', () => {
  const outcome = (headers: Record<string, string | undefined>): string => {
    try {
      return checkRead(headers as Record<string, string>, row)
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it.each<[Record<string, string | undefined>, string]>([
    [{}, 'send'],
    [{ 'if-match': '"abc"' }, 'send'],
    [{ 'if-match': '*' }, 'send'],
    [{ 'if-match': '"x", "abc"' }, 'send'],
    [{ 'if-match': '"x"' }, 'PreconditionFailed'],
    [{ 'if-none-match': '"abc"' }, 'not-modified'],
    [{ 'if-none-match': 'W/"abc"' }, 'not-modified'],
    [{ 'if-none-match': '*' }, 'not-modified'],
    [{ 'if-none-match': '"x"' }, 'send'],
    [{ 'if-modified-since': before }, 'send'],
    [{ 'if-modified-since': same }, 'not-modified'],
    [{ 'if-modified-since': after }, 'not-modified'],
    [{ 'if-unmodified-since': before }, 'PreconditionFailed'],
    [{ 'if-unmodified-since': same }, 'send'],
    [{ 'if-unmodified-since': after }, 'send'],
    // A tag speaks louder than a time.
    [{ 'if-match': '"abc"', 'if-unmodified-since': before }, 'send'],
    [{ 'if-none-match': '"x"', 'if-modified-since': after }, 'send'],
    [{ 'if-match': '"x"', 'if-none-match': '"abc"' }, 'PreconditionFailed'],
    [{ 'if-modified-since': 'nonsense' }, 'send'],
  ])('%j: %s', (headers, expected) => expect(outcome(headers)).toBe(expected))

  it('of a copy’s source: not modified is a failure', () => {
    expect(() => checkCopySource({ 'x-amz-copy-source-if-none-match': 'abc' }, row)).toThrow(/precondition/)
    expect(() => checkCopySource({ 'x-amz-copy-source-if-match': 'abc' }, row)).not.toThrow()
    expect(() => checkCopySource({ 'if-match': 'x' }, row)).not.toThrow()
  })
})

describe('conditions of a write', () => {
  const outcome = (headers: Record<string, string>, current: ObjectRow | null): string => {
    try {
      writeCondition(headers)?.(current)
      return 'written'
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it.each<[Record<string, string>, ObjectRow | null, string]>([
    [{}, row, 'written'],
    [{ 'if-none-match': '*' }, null, 'written'],
    [{ 'if-none-match': '*' }, row, 'PreconditionFailed'],
    [{ 'if-match': '"abc"' }, row, 'written'],
    [{ 'if-match': '"x"' }, row, 'PreconditionFailed'],
    [{ 'if-match': '"abc"' }, null, 'NoSuchKey'],
    [{ 'if-none-match': '"abc"' }, null, 'NotImplemented'],
  ])('%j on %j: %s', (headers, current, expected) => expect(outcome(headers, current)).toBe(expected))
})
