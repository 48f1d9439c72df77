/** Inventories that clouds print, and ranges that providers publish. */
import { describe, expect, it } from 'vitest'
import { parseAddress } from '../../src/flows/address.ts'
import { parseInventory, rowAt } from '../../src/flows/locate/inventory.ts'
import { createLocator } from '../../src/flows/locate/locate.ts'
import { parsePlaces } from '../../src/flows/locate/places.ts'
import { parseProviderRanges } from '../../src/flows/locate/provider-ranges.ts'
import { countryOfRegion } from '../../src/flows/locate/provider-regions.ts'

const at = (address: string) => parseAddress(address)!
const found = (text: unknown, address: string) => {
  const inventory = parseInventory('servers', typeof text === 'string' ? text : JSON.stringify(text))
  return rowAt(inventory.rowsOf(at(address)), Date.UTC(2026, 5, 1))
}

describe('an inventory', () => {
  it('is what aws ec2 describe-instances prints', () => {
    const instance = {
      InstanceId: 'i-0abc',
      PrivateIpAddress: '10.0.0.5',
      PublicIpAddress: '52.66.0.1',
      Placement: { AvailabilityZone: 'ap-south-1a' },
      Tags: [{ Key: 'Name', Value: 'app-1' }],
      NetworkInterfaces: [
        {
          PrivateIpAddresses: [
            { PrivateIpAddress: '10.0.0.5', Association: { PublicIp: '52.66.0.1' } },
            { PrivateIpAddress: '10.0.0.6' },
          ],
          Ipv6Addresses: [{ Ipv6Address: '2001:db8::5' }],
        },
      ],
    }
    const nameless = { InstanceId: 'i-0def', PrivateIpAddress: '10.0.0.9', Placement: {} }
    const printed = { Reservations: [{ Instances: [instance] }, { Instances: [nameless] }] }
    for (const address of ['10.0.0.5', '52.66.0.1', '10.0.0.6', '2001:db8::5'])
      expect(found(printed, address)).toMatchObject({ server: 'app-1', country: 'IN', region: 'ap-south-1a' })
    expect(found(printed, '10.0.0.9')).toMatchObject({ server: 'i-0def', country: null })
  })

  it('is what gcloud, az and aliyun print', () => {
    const google = [
      {
        name: 'web',
        zone: 'https://compute/v1/projects/p/zones/asia-south1-b',
        networkInterfaces: [{ networkIP: '10.1.0.2', accessConfigs: [{ natIP: '34.93.0.1' }] }],
      },
    ]
    expect(found(google, '34.93.0.1')).toMatchObject({
      server: 'web',
      country: 'IN',
      region: 'asia-south1-b',
    })
    const azure = [
      {
        virtualMachine: {
          name: 'vm',
          network: { privateIpAddresses: ['10.2.0.4'], publicIpAddresses: [{ ipAddress: '20.40.0.1' }] },
        },
      },
    ]
    expect(found(azure, '10.2.0.4')).toMatchObject({ server: 'vm', country: null })
    const alibaba = {
      Instances: {
        Instance: [
          {
            InstanceId: 'i-a',
            InstanceName: 'ecs',
            RegionId: 'ap-south-1',
            VpcAttributes: { PrivateIpAddress: { IpAddress: ['10.3.0.4'] } },
            EipAddress: { IpAddress: '149.129.0.1' },
          },
        ],
      },
    }
    expect(found(alibaba, '149.129.0.1')).toMatchObject({ server: 'ecs', country: 'IN' })
    // The same name is another place with another cloud.
    alibaba.Instances.Instance[0]!.RegionId = 'eu-west-1'
    expect(found(alibaba, '149.129.0.1')).toMatchObject({ country: 'GB' })
    expect(countryOfRegion('eu-west-1')).toBe('IE')
  })

  it('is YAML with the columns of the table', () => {
    const yaml = `# ours
servers:
  - server: app
    cidr: [10.0.0.0/24, 52.66.0.1]
    country: in
    role: nat
  - { server: old, cidr: 10.9.0.1, country: DE, valid_to: 2026-01-01 }
`
    expect(found(yaml, '10.0.0.77')).toMatchObject({ server: 'app', country: 'IN', role: 'nat' })
    expect(found(yaml, '52.66.0.1')).toMatchObject({ server: 'app' })
    expect(found(yaml, '10.9.0.1')).toBeNull()
  })

  it('is refused when it is none, with a reason', () => {
    expect(() => parseInventory('x', '{"Reservations": []}')).toThrow(/no inventory/)
    expect(() => parseInventory('x', '{"people": [1]}')).toThrow(/no inventory: a list of servers/)
    expect(() => parseInventory('x', '[{')).toThrow(/neither a table, JSON nor YAML/)
    expect(() => parseInventory('x', '- server: a')).toThrow(/x:1: "" is not an address or prefix/)
    expect(() => parseInventory('x', 'servers: &a [*a]')).toThrow(/x/)
  })
})

describe('ranges of providers', () => {
  const aws = JSON.stringify({
    prefixes: [
      { ip_prefix: '3.6.0.0/15', region: 'ap-south-1', service: 'EC2' },
      { ip_prefix: '13.32.0.0/15', region: 'GLOBAL', service: 'CLOUDFRONT' },
      { ip_prefix: '3.7.0.0/16', region: 'eu-central-1', service: 'EC2' },
    ],
    ipv6_prefixes: [{ ipv6_prefix: '2406:da1a::/36', region: 'ap-south-1' }],
  })
  const google = JSON.stringify({ prefixes: [{ ipv4Prefix: '34.93.0.0/16', scope: 'asia-south1' }] })
  const azure = JSON.stringify({
    values: [
      { properties: { region: 'centralindia', addressPrefixes: ['20.192.0.0/19', '2603:1040:a00::/46'] } },
    ],
  })
  const oracle = JSON.stringify({ regions: [{ region: 'ap-mumbai-1', cidrs: [{ cidr: '129.154.0.0/16' }] }] })
  const geofeed = '# ours\n203.0.113.0/24,SG,SG-01,Singapore,\n198.51.100.0/24,,,,\n'
  const files = [aws, google, azure, oracle, geofeed].map((text, i) => ({ name: `ranges-${i}`, text }))

  it('place what the databases cannot, the most specific first, and leave out what is global', () => {
    const { table, placed, unplaced } = parseProviderRanges(files)
    expect([placed, unplaced]).toEqual([8, 2])
    const locator = createLocator({ overrides: null, ranges: table, countries: [], asn: null })
    const placeOf = (address: string) => locator.place(at(address))
    expect(placeOf('3.6.0.1')).toMatchObject({ country: 'IN', basis: 'provider', asName: 'AWS ap-south-1' })
    expect(placeOf('3.7.0.1')).toMatchObject({ country: 'DE' })
    expect(placeOf('13.32.0.1')).toMatchObject({ country: null, basis: 'unknown' })
    for (const address of ['34.93.0.1', '20.192.0.1', '2603:1040:a00::1', '129.154.0.1', '2406:da1a::1'])
      expect(placeOf(address).country).toBe('IN')
    expect([placeOf('203.0.113.9').country, placeOf('198.51.100.1').country]).toEqual(['SG', null])
  })

  it('say nothing where they contradict each other or are global, in whatever order they are given', () => {
    const wide = JSON.stringify({
      prefixes: [
        { ip_prefix: '15.197.0.0/16', region: 'ap-south-1' },
        { ip_prefix: '15.197.4.0/22', region: 'GLOBAL' },
        { ip_prefix: '18.184.0.0/16', region: 'eu-central-1' },
      ],
    })
    const files = [wide, '18.184.0.0/16,IN\n'].map((text, i) => ({ name: `ranges-${i}`, text }))
    for (const given of [files, files.toReversed()]) {
      const { table } = parseProviderRanges(given)
      const locator = createLocator({ overrides: null, ranges: table, countries: [], asn: null })
      expect(locator.place(at('15.197.0.1'))).toMatchObject({ country: 'IN', basis: 'provider' })
      expect(locator.place(at('15.197.4.1'))).toMatchObject({ country: null, basis: 'unknown' })
      expect(locator.place(at('18.184.0.1'))).toMatchObject({
        ...{ country: null, basis: 'disputed', candidates: ['DE', 'IN'] },
      })
    }
  })

  it('that are one’s own are refused when they contradict each other', () => {
    expect(() => parsePlaces('p.csv', 'cidr,country\n10.0.0.0/8,IN\n10.0.0.0/8,DE\n')).toThrow(
      'p.csv:3: 10.0.0.0/8 is in another country further up',
    )
    const rows = (until: string) =>
      `cidr,server,country,valid_from,valid_to\n52.66.0.10,app-1,IN,,${until}\n52.66.0.10,app-2,KR,2026-01-10,\n`
    expect(() => parseInventory('s.csv', rows('2026-02-01'))).toThrow(
      's.csv:3: 52.66.0.10 is in another country further up, at the same time',
    )
    expect(parseInventory('s.csv', rows('2026-01-10')).rows).toHaveLength(2)
  })

  it('are refused in other forms', () => {
    const parsed = (text: string) => parseProviderRanges([{ name: 'ranges', text }])
    expect(() => parsed('{"a": 1}')).toThrow(/none of the ranges that are read/)
    expect(() => parsed('{')).toThrow(/neither JSON nor a geofeed/)
    expect(() => parsed('hello')).toThrow(/"hello" is no prefix of a geofeed/)
    expect(() => parsed('# nothing\n')).toThrow(/holds no ranges/)
  })

  it.each([
    ['ap-south-1', 'IN'],
    ['ap-south-1b', 'IN'],
    ['asia-south1-c', 'IN'],
    ['us-east-1', 'US'],
    ['us-gov-west-1', 'US'],
    ['eastus2', 'US'],
    ['usgovvirginia', 'US'],
    ['cn-hongkong', 'HK'],
    ['cn-shanghai', 'CN'],
    ['us-silicon-valley', 'US'],
    ['australiaeast', 'AU'],
    ['GLOBAL', null],
    ['', null],
  ])('know that %s is in %s', (region, country) => {
    expect(countryOfRegion(region)).toBe(country)
  })
})
