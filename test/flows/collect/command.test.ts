import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { collectCommand } from '../../../src/cli/collect.ts'
import { parseCollectOptions } from '../../../src/cli/collect-options.ts'
import { collectInto, collectorFolder, deliver, ipfixData, templateSet } from '../../support/collector.ts'
import { ipfix } from '../../support/export-messages.ts'

const folders = new AsyncDisposableStack()
afterAll(() => folders.disposeAsync())

async function run(...argv: string[]): Promise<string> {
  let stdout = ''
  const io = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: () => {} },
    env: {},
    isTty: false,
  }
  expect(await collectCommand(argv, io)).toBe(0)
  return stdout
}

describe('holdfast collect', () => {
  it('has ports, times and sizes that fit most, and takes others', () => {
    expect(parseCollectOptions(['flows'])).toMatchObject({
      mode: 'collect',
      listen: [2055, 4739, 6343].map(port => ({ host: '0.0.0.0', port })),
      keepRawMs: 30 * 86_400_000,
      alerts: null,
    })
    expect(
      parseCollectOptions([
        'flows',
        '--listen',
        '[::1]:9995',
        '--keep-free',
        '5G',
        '--servers',
        'i.csv',
        '--home',
        'in',
      ]),
    ).toMatchObject({
      listen: [{ host: '::1', port: 9995 }],
      keepFreeBytes: 5 * 1024 ** 3,
      alerts: { servers: 'i.csv', home: 'IN', leastBytes: 10 * 1024 ** 2 },
    })
  })

  it.each([
    [[], /name one folder/],
    [['a', 'b'], /name one folder/],
    [['a', '--listen', '2055'], /not HOST:PORT/],
    [['a', '--keep-raw', 'long'], /not a duration/],
    [['a', '--memory', '1M'], /at least 256M/],
    [['a', '--home', 'IN'], /belong to --servers/],
    [['a', '--loud'], /--loud/],
  ])('says what is wrong with %j', (argv, message) => {
    expect(() => parseCollectOptions(argv)).toThrow(message)
  })

  it('prints what is stored and what was lost', async () => {
    const folder = folders.use(collectorFolder()).path
    const collector = await collectInto(folder)
    await deliver(collector, [ipfix(0, 1, templateSet), ipfixData(0, 1, 2), ipfixData(7, 3)])
    await collector.stop()
    const text = await run(folder, '--status')
    expect(text).toContain('Collector: stopped')
    expect(text).toContain('Stored: 3 datagrams, of which 0 wait to be decoded')
    expect(text).toContain('5 records of IPFIX that exporters numbered')
    expect(JSON.parse(await run(folder, '--status', '--json'))).toMatchObject({
      stored: { records: 3 },
      lost: { byProtocol: [{ protocol: 'IPFIX', unit: 'records', lost: 5 }] },
    })
    await expect(run(join(folder, 'nowhere'), '--status')).rejects.toThrow(/no such folder/)
  })
})
