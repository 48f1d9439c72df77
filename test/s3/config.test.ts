import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { embeddedConfig, loadConfig } from '../../src/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const path = join(folder, 'holdfast.yaml')
const load = (text: string, env = {}) => {
  writeFileSync(path, text)
  return loadConfig(path, env)
}
const region = 'regions: [{ id: in-mumbai, country: IN, peer: { host: 10.0.0.1, port: 7000 } }]'

describe('configuration', () => {
  it('fills in what is not said, and resolves paths from where the file is', () => {
    const config = load(`${region}\ns3: { tls: { port: 9443, key: s3.pem, certificate: tls/s3.crt } }`)
    expect(config).toMatchObject({
      dataFolder: join(folder, 'data'),
      host: '127.0.0.1',
      s3Port: 9000,
      apiPort: 9001,
      publicHost: '127.0.0.1:9001',
      leaseMs: 300_000,
      loopbackIsHome: false,
      s3Tls: { port: 9443, keyFile: join(folder, 's3.pem'), certificateFile: join(folder, 'tls/s3.crt') },
    })
  })

  it('lists every fault at once, each with where it stands', () => {
    const faulty = `
s3: { port: 99999, portt: 1 }
leaseSeconds: 0
places: [{ cidr: 10.0.0.0/8, country: Bharat }]
regions:
  - { id: In_Mumbai, country: IN, peer: { host: a, port: 1 } }
  - { id: de-frankfurt, country: Germany, peer: { host: a } }
`
    const said = message(() => load(faulty, { HOLDFAST_API_PORT: 'http' }))
    for (const fault of [
      's3.port',
      'portt',
      'leaseSeconds',
      'places[0].country',
      'regions[0].id',
      'regions[1].country',
      'regions[1].peer.port',
      'HOLDFAST_API_PORT=http is not a port',
    ])
      expect(said).toContain(fault)
  })

  it('refuses a region that is there twice, none at all, and a file that is not there or no YAML', () => {
    const twice =
      'regions: [{ id: a, country: IN, peer: { host: h, port: 1 } }, { id: a, country: DE, peer: { host: h, port: 2 } }]'
    expect(message(() => load(twice))).toContain('region a is there twice')
    expect(message(() => load('regions: []'))).toContain('regions')
    expect(message(() => load('{'))).toContain('is not YAML')
    expect(message(() => loadConfig(join(folder, 'nothing'), {}))).toContain('there is no configuration')
  })

  it('lets the environment override', () => {
    const env = {
      HOLDFAST_DATA: '/elsewhere',
      HOLDFAST_S3_PORT: '1',
      HOLDFAST_API_PORT: '2',
      HOLDFAST_HOST: '0.0.0.0',
      HOLDFAST_LEASE_SECONDS: '2',
    }
    const expected = { dataFolder: '/elsewhere', s3Port: 1, apiPort: 2, host: '0.0.0.0', leaseMs: 2000 }
    expect(load(region, env)).toMatchObject(expected)
    expect(embeddedConfig(env)).toMatchObject(expected)
  })

  it.each(['0', '-1', 'abc', '1.5', '99999'])(
    'refuses a lease of %s seconds from the environment',
    seconds => {
      expect(message(() => load(region, { HOLDFAST_LEASE_SECONDS: seconds }))).toContain(
        'HOLDFAST_LEASE_SECONDS',
      )
    },
  )

  it.each(['abc', '70000'])('refuses the embedded set-up on port %s', text => {
    expect(message(() => embeddedConfig({ HOLDFAST_API_PORT: text }))).toContain('HOLDFAST_API_PORT')
  })

  it('has three regions in three countries to try things with', () => {
    const { regions, loopbackIsHome } = embeddedConfig({})
    expect(regions.map(({ id, country }) => [id, country])).toEqual([
      ['in-mumbai', 'IN'],
      ['de-frankfurt', 'DE'],
      ['sg-singapore', 'SG'],
    ])
    expect(loopbackIsHome).toBe(true)
  })
})

function message(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    return (error as Error).message
  }
  return 'nothing was refused'
}
