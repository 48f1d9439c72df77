import { describe, expect, it } from 'vitest'
import { parseBucketName } from '../../src/core/ids.ts'
import { parseRequest } from '../../src/s3/request.ts'

/** The general-purpose bucket naming rules of the S3 User Guide, each with what breaks it. */
describe('bucket names', () => {
  it.each(['abc', 'a-b', 'a.b.c', '123', 'x'.repeat(63), 'docexamplebucket-1', '1.2.3.4.5', 'a--b'])(
    'takes %s',
    name => expect(parseBucketName(name)).toBe(name),
  )
  it.each([
    '',
    'ab',
    'x'.repeat(64),
    'Upper',
    'under_score',
    'sp ace',
    '-first',
    'last-',
    '.first',
    'last.',
    'two..dots',
    'dash-.dot',
    'dot.-dash',
    '192.168.5.4',
    'xn--abc',
    'sthree-abc',
    'amzn-s3-demo-abc',
    'abc-s3alias',
    'abc--ol-s3',
    'ünicode',
    'abc\n',
  ])('refuses %j', name => expect(parseBucketName(name)).toBeNull())
})

describe('requests', () => {
  const parse = (url: string, host = '127.0.0.1:9000') => {
    const { bucket, key, query } = parseRequest('GET', url, { host }, ['localhost', 's3.localhost'])
    return { bucket, key, query: Object.fromEntries(query) }
  }

  it.each([
    ['/', null, null],
    ['/b', 'b', null],
    ['/b/', 'b', null],
    ['/b/k', 'b', 'k'],
    ['/b//k', 'b', '/k'],
    ['/b/a/../k', 'b', 'a/../k'],
    ['/b/a%2Fb', 'b', 'a/b'],
    ['/b/a+b', 'b', 'a+b'],
    ['/b/a%2Bb%20c', 'b', 'a+b c'],
    ['/b/%E2%82%AC', 'b', '€'],
    ['/b/k?x', 'b', 'k'],
  ])('%s', (url, bucket, key) => expect(parse(url)).toMatchObject({ bucket, key }))

  it('reads the bucket from the host', () => {
    expect(parse('/k', 'papers.localhost:9000')).toMatchObject({ bucket: 'papers', key: 'k' })
    expect(parse('/', 'papers.s3.localhost')).toMatchObject({ key: null })
    expect(parse('/b/k', 'localhost:9000')).toMatchObject({ bucket: 'b', key: 'k' })
    expect(parse('/b/k', 'elsewhere.example')).toMatchObject({ bucket: 'b', key: 'k' })
    expect(parse('//k', 'papers.localhost')).toMatchObject({ bucket: 'papers', key: '/k' })
  })

  it('tells a parameter without a value from one that was not sent', () => {
    expect(parse('/b?uploads&prefix=a%20b+c&x=&=y').query).toEqual({
      uploads: '',
      prefix: 'a b c',
      x: '',
      '': 'y',
    })
  })

  it.each(['/%', '/b/%zz', '/b/%ff', '/b?x=%'])('refuses %s', url =>
    expect(() => parse(url)).toThrow(/could not be parsed/),
  )

  it('refuses keys of more than 1,024 bytes, however they are spelt', () => {
    expect(parse(`/b/${'k'.repeat(1024)}`).key).toHaveLength(1024)
    expect(() => parse(`/b/${'k'.repeat(1025)}`)).toThrow(/too long/)
    expect(() => parse(`/b/${'%E2%82%AC'.repeat(342)}`)).toThrow(/too long/)
  })
})
