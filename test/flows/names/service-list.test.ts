import { describe, expect, it } from 'vitest'
import { domainName } from '../../../src/flows/names/domain-name.ts'
import { parseServiceLists } from '../../../src/flows/names/service-list.ts'

const list = (text: string, name = 'apps.csv') => ({ name, text })

describe('lists of services', () => {
  it('match at the borders of labels, the longest domain first, and exactly where they say so', () => {
    const { find } = parseServiceLists([
      list(`# apps, as of 2026
domain,service,tags
shop.example,Shop,blocked;retail
Video.Shop.Example.,Shop Video,
=api.shop.example,Shop API,api
bücher.example,Books,
plain.example,,watched
`),
    ])
    expect(find('shop.example')).toEqual({ service: 'Shop', tags: ['blocked', 'retail'] })
    expect(find('cdn.eu.shop.example')).toEqual({ service: 'Shop', tags: ['blocked', 'retail'] })
    expect(find('evilshop.example')).toBeNull()
    expect(find('shop.example.evil.test')).toBeNull()
    expect(find('a.video.shop.example')).toEqual({ service: 'Shop Video', tags: [] })
    expect(find('api.shop.example')).toEqual({ service: 'Shop API', tags: ['api'] })
    expect(find('v1.api.shop.example')?.service).toBe('Shop')
    expect(find('www.xn--bcher-kva.example')?.service).toBe('Books')
    expect(find('plain.example')).toEqual({ service: null, tags: ['watched'] })
  })

  it('several add their tags up; the first that names a service names it', () => {
    const own = list('domain,service,tags\na.example,Ours,own\n')
    const theirs = list(
      JSON.stringify({
        format: 'holdfast/services/v1',
        services: [{ service: 'App A', tags: ['blocked-2020'], domains: ['example', '=b.test'] }],
      }),
      'blocked.json',
    )
    expect(parseServiceLists([own, theirs]).find('x.a.example')).toEqual({
      service: 'Ours',
      tags: ['own', 'blocked-2020'],
    })
    expect(parseServiceLists([theirs, own]).find('x.a.example')?.service).toBe('App A')
    expect(parseServiceLists([own, theirs]).find('a.b.test')).toBeNull()
  })

  it.each([
    ['domain,service\na..example,A\n', 'apps.csv:2: "a..example" is no domain name'],
    ['domain,service\n10.0.0.1,A\n', 'is no domain name'],
    ['service\nA\n', 'its header lacks domain'],
    ['domain,service\na.example,A\nA.example.,B\n', 'apps.csv:3: a.example is "A" already'],
    ['domain,service\na.example,A\u202eB\n', 'control characters'],
    [`domain,service\na.example,${'A'.repeat(101)}\n`, 'longer than 100'],
    ['{"format":"holdfast/services/v1","services":[{"domains":[]}]}', 'services.0.domains'],
    ['{"format":"other"}', 'format'],
    ['{', 'apps.csv'],
  ])('refuses what makes no sense, and says where: %#', (text, fault) => {
    expect(() => parseServiceLists([list(text)])).toThrow(fault)
  })
})

it('a name has one spelling, and what is none has none', () => {
  expect(domainName('WWW.Example.COM.')).toBe('www.example.com')
  expect(domainName('Straße.example')).toBe('xn--strae-oqa.example')
  expect(domainName('_sip._tcp.example')).toBe('_sip._tcp.example')
  for (const text of [
    '',
    '.',
    '127.0.0.1',
    '1',
    'a b.example',
    '<a>.example',
    'a\u0000.example',
    'a.example\u202e',
    `${'a.'.repeat(127)}example`,
  ])
    expect(domainName(text)).toBeNull()
})
