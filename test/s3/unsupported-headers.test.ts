import { describe, expect, it } from 'vitest'
import { refuseUnsupported } from '../../src/s3/unsupported-headers.ts'

describe('a header that asks for what is not there', () => {
  it.each([
    ['x-amz-object-lock-event-hold', 'ON'],
    ['x-amz-website-redirect-location', '/elsewhere'],
  ])('is refused: %s: %s', (name, value) => {
    expect(() => refuseUnsupported({ [name]: value })).toThrow(
      expect.objectContaining({ code: 'NotImplemented' }),
    )
  })

  it('passes when it asks for what is done anyway', () => {
    const harmless = {
      'x-amz-acl': 'private',
      'x-amz-request-payer': 'requester',
      'x-amz-meta-grant': 'x',
    }
    expect(() =>
      refuseUnsupported({ ...harmless, 'x-amz-date': 'x', 'x-amz-checksum-crc32': 'x' }),
    ).not.toThrow()
  })
})
