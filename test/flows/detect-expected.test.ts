import { describe, expect, it } from 'vitest'
import { judgeExpected, parseExpected } from '../../src/flows/detect/expected.ts'
import { beats } from '../support/guilty-traffic.ts'
import { createTraffic, minuteMs } from '../support/traffic.ts'

const traffic = createTraffic(1)
beats(traffic, '203.0.115.77', { everyMs: minuteMs })
const { detections } = traffic.detect()
const beacon = detections.find(({ kind }) => kind === 'beacon')!
const now = Date.parse('2026-06-01T00:00:00.000Z')

const file = (marks: string) =>
  parseExpected(
    'expected.yaml',
    new TextEncoder().encode(`format: holdfast/expected/v1\nexpected:\n${marks}`),
  )
const signed = 'reason: telemetry, by: R. Iyer'
const isExpected = (marks: string, atUnixMs = now) =>
  judgeExpected([beacon], file(marks), atUnixMs)[0]!.expected !== null

describe('marks of what is expected', () => {
  it('match by key, and until their day only', () => {
    const marks = `  - { key: ${beacon.key}, ${signed}, until: 2026-06-02 }`
    expect(isExpected(marks)).toBe(true)
    expect(isExpected(marks, Date.parse('2026-06-02T00:00:00.000Z'))).toBe(false)
    const [ranOut] = judgeExpected([beacon], file(marks), Date.parse('2026-06-02T00:00:00.000Z'))
    expect(ranOut!.ranOut).toMatchObject({ by: 'R. Iyer', reason: 'telemetry' })
  })

  it('match by kind with server, prefix, network and port', () => {
    const by = (fields: string) => isExpected(`  - { kind: beacon, ${fields}, ${signed}, until: 2027-01-01 }`)
    expect(by('server: server-*')).toBe(true)
    expect(by('server: "*-1", destination: 203.0.115.0/24, port: 443, as: 64999')).toBe(true)
    expect(by('destination: 203.0.114.0/24')).toBe(false)
    expect(by('destination: 2001:db8::/32')).toBe(false)
    expect(by('as: 64998')).toBe(false)
    expect(by('server: server-1, port: 80')).toBe(false)
    expect(by('server: server')).toBe(false)
    expect(isExpected(`  - { kind: slow-drip, server: server-1, ${signed}, until: 2027-01-01 }`)).toBe(false)
  })

  it('hide nothing', () => {
    const marks = `  - { kind: beacon, server: server-1, ${signed}, until: 2027-01-01 }`
    expect(judgeExpected(detections, file(marks), now).map(({ detection }) => detection)).toEqual(detections)
  })

  it('carry the hash of their file', () => {
    const bytes = new TextEncoder().encode('format: holdfast/expected/v1\nexpected: []\n')
    expect(parseExpected('e', bytes).sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(
      parseExpected('e', new TextEncoder().encode('{"format":"holdfast/expected/v1","expected":[]}')).marks,
    ).toEqual([])
  })

  it('are refused with a fault, and say which', () => {
    const faulty: readonly (readonly [string, RegExp])[] = [
      [`  - { key: ${beacon.key}, ${signed} }`, /until/],
      [`  - { key: ${beacon.key}, by: x, until: 2027-01-01 }`, /reason/],
      [`  - { kind: beacon, ${signed}, until: 2027-01-01 }`, /server/],
      [`  - { kind: beacon, server: a, destination: nowhere, ${signed}, until: 2027-01-01 }`, /nowhere/],
      [`  - { kind: beacon, server: a, host: b, ${signed}, until: 2027-01-01 }`, /expected\.0/],
      [`  - { kind: anything, server: a, ${signed}, until: 2027-01-01 }`, /expected\.0/],
      [`  - { key: ${beacon.key}, ${signed}, until: 2027-02-30 }`, /expected\.0/],
      ['  - [', /expected\.yaml/],
    ]
    for (const [marks, fault] of faulty) expect(() => file(marks)).toThrow(fault)
    expect(() => parseExpected('e', Uint8Array.of(0xff))).toThrow(/e:/)
  })

  it('no pattern of a server name is slow', () => {
    const pattern = `"${'*a'.repeat(100)}*b"`
    const long = { ...beacon, server: 'a'.repeat(100_000) }
    const marks = file(`  - { kind: beacon, server: ${pattern}, ${signed}, until: 2027-01-01 }`)
    expect(judgeExpected([long], marks, now)[0]!.expected).toBeNull()
  })
})
