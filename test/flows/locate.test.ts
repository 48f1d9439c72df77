import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../src/flows/address.ts'
import {
  createAsnDatabase,
  createCountryDatabase,
  type DatabaseFiles,
} from '../../src/flows/locate/databases.ts'
import { installedDatabases } from '../../src/flows/locate/installed-databases.ts'
import { parseInventory, rowAt } from '../../src/flows/locate/inventory.ts'
import { createLocator } from '../../src/flows/locate/locate.ts'
import { parsePlaces } from '../../src/flows/locate/places.ts'

const parsed = (text: string) => parseAddress(text)!

function database(files: Readonly<Record<string, string>>): DatabaseFiles {
  const read = (file: string) => Buffer.from(files[file] ?? '')
  return { name: 'test', version: '1', date: '2026-01-01', licence: 'none', read }
}

const one = database({
  'one-ipv4-num.csv': '16777216,16777471,AU\n16777472,16778239,CN\n33554432,33554687,US\n',
  'one-ipv6.csv': '2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,DE\n',
})
const two = database({
  'two-ipv4-num.csv': '16777216,16777471,AU\n16777472,16778239,HK\n50331648,50331903,FR\n',
  'two-ipv6.csv': '2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,DE\n',
})
const asn = database({ 'asn-ipv4-num.csv': '16777216,16777471,13335,"Cloud, ""Flare"", Inc."\n' })

const locator = createLocator({
  overrides: parsePlaces(
    'p.csv',
    'cidr,country,asn,name\n10.9.0.0/16,SG,AS64500,"Lab, two"\n1.0.1.0/25,TW\n',
  ),
  countries: [createCountryDatabase(one, 'one'), createCountryDatabase(two, 'two')],
  asn: createAsnDatabase(asn, 'asn'),
})

describe('where an address is', () => {
  it.each([
    ['1.0.0.9', 'AU', 'vote', 13335, 'Cloud, "Flare", Inc.'],
    ['1.0.1.200', null, 'disputed', null, null],
    ['1.0.1.5', 'TW', 'override', null, null],
    ['2.0.0.1', 'US', 'one database', null, null],
    ['3.0.0.1', 'FR', 'one database', null, null],
    ['9.9.9.9', null, 'unknown', null, null],
    ['2001:db8::7', 'DE', 'vote', null, null],
    ['2001:db9::7', null, 'unknown', null, null],
    ['10.9.1.1', 'SG', 'override', 64500, 'Lab, two'],
    ['10.8.1.1', null, 'local', null, null],
    ['127.0.0.1', null, 'local', null, null],
    ['169.254.1.1', null, 'local', null, null],
    ['224.0.0.251', null, 'local', null, null],
    ['100.64.0.1', null, 'local', null, null],
    ['fe80::1', null, 'local', null, null],
    ['fd00::1', null, 'local', null, null],
    ['ff02::1', null, 'local', null, null],
    ['::1', null, 'local', null, null],
  ] as const)('%s', (address, country, basis, number, name) => {
    expect(locator.place(parsed(address))).toMatchObject({ country, basis, asn: number, asName: name })
  })

  it('names the candidates of a clash, and the databases that were read', () => {
    expect(locator.place(parsed('1.0.1.200')).candidates).toEqual(['CN', 'HK'])
    const [first] = locator.databases()
    expect(Object.keys(first!.sha256)).toEqual(['one-ipv4-num.csv', 'one-ipv6.csv'])
    expect(first!.sha256['one-ipv4-num.csv']).toMatch(/^[0-9a-f]{64}$/)
  })

  it('reads the installed databases', () => {
    const installed = createLocator({ overrides: null, ...installedDatabases() })
    expect(installed.place(parsed('8.8.8.8'))).toMatchObject({ country: 'US', basis: 'vote', asn: 15169 })
    for (const { date, version } of installed.databases()) {
      expect(date).toMatch(/^20\d\d-\d\d-\d\d$/)
      expect(version).toContain(date.replaceAll('-', ''))
    }
  })
})

describe('the inventory', () => {
  const inventory = parseInventory(
    'inv.csv',
    [
      '# servers',
      'cidr,server,tenant,region,country,role,valid_from,valid_to',
      '10.0.0.0/8,office,,,,,,',
      '10.1.0.0/16,mumbai,acme,in-mumbai,IN,gateway,,',
      '10.1.2.3,db-old,acme,in-mumbai,IN,,,2026-01-01',
      '10.1.2.3,db-new,acme,in-mumbai,IN,,2026-01-01,',
      '"2001:db8::/32","v6, lab",,,de,,,',
    ].join('\r\n'),
  )
  const at = Date.UTC(2026, 5, 1)

  it('takes the most specific row that was valid then', () => {
    expect(rowAt(inventory.rowsOf(parsed('10.200.0.1')), at)?.server).toBe('office')
    expect(rowAt(inventory.rowsOf(parsed('10.1.9.9')), at)?.server).toBe('mumbai')
    expect(rowAt(inventory.rowsOf(parsed('10.1.2.3')), at)?.server).toBe('db-new')
    expect(rowAt(inventory.rowsOf(parsed('10.1.2.3')), Date.UTC(2025, 11, 31))?.server).toBe('db-old')
    expect(rowAt(inventory.rowsOf(parsed('2001:db8::9')), at)).toMatchObject({
      server: 'v6, lab',
      country: 'DE',
    })
    expect(rowAt(inventory.rowsOf(parsed('11.0.0.1')), at)).toBeNull()
  })

  it.each([
    ['', 'inv.csv is empty: it needs a header'],
    ['cidr,name\n', 'inv.csv:1: its header lacks server'],
    ['cidr,server\n', 'inv.csv names no server'],
    ['cidr,server\n10.0.0.0/33,a\n', 'inv.csv:2: "10.0.0.0/33" is not an address or prefix'],
    ['cidr,server\n10.0.0.1,\n', 'inv.csv:2: no server is named'],
    ['cidr,server,country\n10.0.0.1,a,India\n', 'inv.csv:2: country "India" is not a two-letter code'],
    ['cidr,server,valid_from\n10.0.0.1,a,soon\n', 'inv.csv:2: valid_from "soon" is not a date'],
    ['cidr,server\n10.0.0.1,"a\n', 'inv.csv:2: a quote is not closed'],
    ['cidr,server\n10.0.0.1,a,b\n', 'inv.csv:2: more cells than the header has columns'],
  ])('says what is wrong with %j', (text, message) => {
    expect(() => parseInventory('inv.csv', text)).toThrow(message)
  })
})
