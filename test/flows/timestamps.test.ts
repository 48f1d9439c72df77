import { describe, expect, it } from 'vitest'
import { numberUnixMs, textUnixMs } from '../../src/flows/decode/timestamps.ts'

const at = Date.UTC(2024, 4, 1, 10, 0, 5)

describe('times in logs', () => {
  it.each([
    ['2024-05-01T10:00:05Z', at],
    ['2024-05-01T10:00:05', at],
    ['2024-05-01 10:00:05', at],
    ['2024-05-01T10:00:05.123456789Z', at + 123],
    ['2024-05-01 10:00:05.9999', at + 999],
    ['2024-05-01T10:00:05,5', at + 500],
    ['2024-05-01T12:00:05.000000+0200', at],
    ['2024-05-01T12:00:05+02:00', at],
    ['2024-05-01T08:30:05-01:30', at],
    ['2024/05/01 10:00:05', at],
    ['2024-05-01 10:00:05 UTC', at],
    ['1714557605', at],
    ['1714557605.25', at + 250],
    ['1714557605000', at],
    ['1714557605000000', at],
    ['1714557605000000000', at],
  ])('%s', (text, expected) => {
    expect(textUnixMs(text)).toBe(expected)
  })

  it.each([
    'yesterday',
    '',
    '2024-13-01T10:00:0x',
    '2024-05-01T1o:00:05',
    '-5',
    '1e400',
    '99999999999999999999999',
  ])('none: %s', text => {
    expect(textUnixMs(text)).toBeNull()
  })

  it('take a unit that is said', () => {
    expect(numberUnixMs(1_714_557_605, 's')).toBe(at)
    expect(numberUnixMs(1_714_557_605, 'ms')).toBe(1_714_557_605)
    expect(textUnixMs('1714557605000000', 'us')).toBe(at)
    expect(numberUnixMs(Number.NaN)).toBeNull()
  })
})
