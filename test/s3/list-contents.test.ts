import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeListed, type ListedObject } from '../../src/s3/list-contents.ts'
import { encodeRow } from '../../src/store/rows.ts'

const shown = ({ etag, modifiedUnixMs, sizeBytes, checksum }: ListedObject) => ({
  etag,
  modifiedUnixMs,
  sizeBytes,
  checksum,
})

it('what a list shows of a row is what the whole row says, in whatever order and with whatever texts', () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constant(',"bucketKeyId":'), fc.constant('"}'))
  const row = fc.record({
    etag: text,
    modifiedUnixMs: fc.nat(),
    sizeBytes: fc.nat(),
    metadata: fc.dictionary(text, text),
    checksum: fc.option(
      fc.record({ algorithm: fc.constant('CRC32'), value: text, type: fc.constant('COMPOSITE') }),
    ),
    bucketKeyId: text,
    content: fc.option(fc.record({ manifest: text })),
  })
  fc.assert(
    fc.property(row, fc.boolean(), (fields, reversed) => {
      const entries = Object.entries(fields)
      const written = { v: 1, ...Object.fromEntries(reversed ? entries.reverse() : entries) }
      expect(shown(decodeListed(encodeRow(written as never)))).toEqual(
        shown(JSON.parse(JSON.stringify(fields))),
      )
    }),
    { numRuns: 500 },
  )
})
