import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { children, childText, parseXml, xmlDocument } from '../../src/s3/xml.ts'

const keysIn = (text: string) =>
  children(parseXml(Buffer.from(text), 'Delete'), 'Object').map(object => childText(object, 'Key'))

describe('XML', () => {
  it('reads back every text that it wrote', () => {
    // What XML 1.0 cannot carry at all is not asked for; S3's clients ask for URL encoding then.
    const carried = fc
      .string({ unit: 'binary' })
      .filter(text => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(text))
    fc.assert(
      fc.property(fc.array(carried, { minLength: 1, maxLength: 4 }), keys => {
        const text = xmlDocument('Delete', { Object: keys.map(Key => ({ Key })) })
        expect(keysIn(text)).toEqual(keys)
      }),
    )
  })

  /** A key that is read otherwise than it was meant is deleted in the wrong place. */
  it.each([
    ['a&#13;b', 'a\rb'],
    ['a&#xD;b', 'a\rb'],
    ['a&#xd;&#x0a;b', 'a\r\nb'],
    ['a&amp;#13;b', 'a&#13;b'],
    ['&amp;amp;', '&amp;'],
    ['&#128273;', '🔑'],
    ['<![CDATA[a<b&c]]>', 'a<b&c'],
    ['a<!-- not this -->b', 'ab'],
    [' space ', ' space '],
    ['0123', '0123'],
    ['1e5', '1e5'],
    ['true', 'true'],
  ])('reads %s as %j', (text, key) => {
    expect(keysIn(`<Delete><Object><Key>${text}</Key></Object></Delete>`)).toEqual([key])
  })

  it('reads a thousand keys that are all references', () => {
    const key = '&amp;'.repeat(1024)
    const found = keysIn(`<Delete>${`<Object><Key>${key}</Key></Object>`.repeat(1000)}</Delete>`)
    expect(new Set(found)).toEqual(new Set(['&'.repeat(1024)]))
    expect(found).toHaveLength(1000)
  })

  it('reads elements under any namespace prefix', () => {
    const text =
      '<s3:Delete xmlns:s3="http://s3.amazonaws.com/doc/2006-03-01/"><s3:Object><s3:Key>k</s3:Key></s3:Object></s3:Delete>'
    expect(keysIn(text)).toEqual(['k'])
  })

  it.each(['&copy;', '&', '&#;', '&#xZZ;', '<Key>'])('refuses %s', text => {
    expect(() => keysIn(`<Delete><Object><Key>${text}</Key></Object></Delete>`)).toThrow(/well formed/)
  })
})
