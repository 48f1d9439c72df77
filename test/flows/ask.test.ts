/** Questions to what a collector has stored, in its folder and in ClickHouse: the same answers. */
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { flowsCommand } from '../../src/cli/flows.ts'
import { collectedIn } from '../../src/flows/ask/collected.ts'
import { openParquetStore } from '../../src/flows/ask/parquet-store.ts'
import { readCommit } from '../../src/flows/collect/commit.ts'
import { hoursOf } from '../../src/flows/collect/folder.ts'
import { Duck } from '../../src/flows/engine/duck.ts'
import { startClickHouse, type TestClickHouse } from '../support/clickhouse.ts'
import {
  collectInto,
  collectorFolder,
  deliver,
  exportedUnixMs,
  hourMs,
  record,
  type TestFolder,
  templateSet,
  until,
} from '../support/collector.ts'
import { ipfix, set } from '../support/export-messages.ts'
import { describeWith } from '../support/program.ts'

const places = {
  name: 'places.csv',
  text: 'cidr,country,asn\n198.51.100.0/24,DE,64500\n203.0.113.0/24,US,64501\n',
}

/** Two hours: four records by one exporter and one of them again by another; then one more, later. */
async function collected(folder: string): Promise<void> {
  let nowUnixMs = exportedUnixMs
  await using collector = await collectInto(folder, {
    now: () => nowUnixMs,
    maintainEveryMs: 30,
    limits: { segmentMs: 50 },
    maintenance: { rollUp: { places, databases: 'none' } },
  })
  const message = (sequence: number, atUnixMs: number, ...records: readonly Buffer[]) => {
    const made = ipfix(sequence, 1, templateSet, set(256, ...records))
    made.writeUInt32BE(atUnixMs / 1000, 4)
    return made
  }
  const firstHour = [record(1), record(2, '198.51.100.77'), record(3, '203.0.113.5'), record(4, '192.0.2.1')]
  await deliver(collector, [message(0, nowUnixMs, ...firstHour)])
  await deliver(collector, [message(0, nowUnixMs, record(3, '203.0.113.5'))], { from: '127.0.0.2' })
  await until(() => collector.decoded()?.records === 5)
  nowUnixMs += hourMs
  await until(async () => (await hoursOf(folder, 'rollup')).length === 1)
  await deliver(collector, [message(4, nowUnixMs, record(5))])
  await until(() => collector.decoded()?.records === 6)
}

async function run(...argv: string[]) {
  let stdout = ''
  let stderr = ''
  const code = await flowsCommand(argv, {
    stdout: { write: text => (stdout += text) },
    stderr: { write: text => (stderr += text) },
    env: {},
    isTty: false,
  })
  return { code, stdout, stderr }
}

const everything = {
  by: [],
  where: [],
  fromUnixMs: null,
  untilUnixMs: null,
  order: 'bytes',
  top: 1,
} as const

let folder: TestFolder
beforeAll(async () => {
  folder = collectorFolder()
  await collected(folder.path)
})
afterAll(() => folder[Symbol.asyncDispose]())

type StoredRow = { readonly rate?: number; readonly exporter?: string; readonly bytes?: string }

/** Files of single records, of no hour of their own. */
async function storeOf(files: readonly (readonly StoredRow[])[]) {
  const some = collectorFolder()
  await mkdir(some.path, { recursive: true })
  const duck = await Duck.open({ memoryMiB: 256, threads: 1 })
  const paths: string[] = []
  for (const rows of files) {
    const path = join(some.path, `${paths.length}.parquet`)
    const values = rows.map(
      ({ rate = 1, exporter = 'a', bytes = '1' }) => `(${rate}::DOUBLE, '${exporter}', ${bytes}::UBIGINT)`,
    )
    await duck.run(`COPY (SELECT TIMESTAMP '2026-01-15 10:00:00' AS "start", bytes, 1::UBIGINT AS packets,
        sampling_rate, exporter FROM (VALUES ${values.join(', ')}) AS rows(sampling_rate, exporter, bytes))
      TO '${path}' (FORMAT parquet)`)
    paths.push(path)
  }
  const store = openParquetStore(duck, async () => [
    { name: 'some', raw: [{ hour: null, paths, through: 2 }], rollup: [] },
  ])
  return {
    ask: store.ask,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await some[Symbol.asyncDispose]()
    },
  }
}

type Asked = {
  rows: { keys: (string | number | null)[]; bytes: number; packets: number; flows: number }[]
} & {
  readonly total: { bytes: number; packets: number; flows: number }
  readonly groups: number
  readonly exporters: number
}

const questions: readonly (readonly [
  what: string,
  argv: readonly string[],
  keysAndBytes: readonly unknown[],
])[] = [
  ['everything in one sum', [], [[6018]]],
  [
    'by server and exporter',
    ['--by', 'src_addr,exporter'],
    [
      ['10.0.0.1', '127.0.0.1', 5015],
      ['10.0.0.1', '127.0.0.2', 1003],
    ],
  ],
  ['by destination, the largest of them', ['--by', 'dst_addr', '--top', '1'], [['198.51.100.9', 2006]]],
  [
    'of a range',
    ['--by', 'dst_addr', '--where', 'dst_addr=198.51.100.0/26,192.0.2.1'],
    [
      ['198.51.100.9', 2006],
      ['192.0.2.1', 1004],
    ],
  ],
  ['of a range in which nothing lies', ['--by', 'dst_addr', '--where', 'dst_addr=10.0.0.0/8'], []],
  [
    'by hour',
    ['--by', 'hour'],
    [
      ['2026-01-15T10:00Z', 5013],
      ['2026-01-15T11:00Z', 1005],
    ],
  ],
  [
    'by day, of a protocol by its name',
    ['--by', 'day,protocol', '--where', 'protocol=tcp'],
    [['2026-01-15', 6, 6018]],
  ],
  [
    'until a moment',
    ['--by', 'dst_addr', '--until', '2026-01-15T11:00Z', '--where', 'src_port=1'],
    [['198.51.100.9', 1001]],
  ],
  [
    'by country, from the roll-up',
    ['--by', 'dst_country', '--order', 'flows'],
    [
      ['DE', 2003],
      ['US', 2006],
      [null, 1004],
    ],
  ],
  [
    'by system and network',
    ['--by', 'dst_asn,dst_network', '--where', 'dst_country=us'],
    [[64501, '203.0.113.0/24', 2006]],
  ],
]

function keysAndBytes(answer: Asked): unknown[] {
  return answer.rows.map(({ keys, bytes }) => [...keys, bytes])
}

describe('a question to a folder', () => {
  it.each(questions)('%s', async (_, argv, expected) => {
    const { code, stdout } = await run(folder.path, ...argv, '--json')
    expect(code).toBe(0)
    expect(keysAndBytes(JSON.parse(stdout) as Asked)).toEqual(expected)
  })

  it('says how many groups and what is in all of them, and that exporters saw things twice', async () => {
    const { stdout, stderr } = await run(folder.path, '--by', 'dst_addr', '--top', '2')
    expect(stdout.split('\n')).toEqual([
      'dst_addr        bytes  packets  flows',
      '198.51.100.9  2.01 kB        4      2',
      '203.0.113.5   2.01 kB        4      2',
      'all 4         6.02 kB       12      6',
      '6 flows, single records.',
      '',
    ])
    expect(stderr).toBe('note: 2 exporters: what several saw counts several times\n')
  })

  it('says what roll-ups do not hold yet', async () => {
    const { stderr } = await run(folder.path, '--of', 'rollup')
    expect(stderr).toContain('note: 1 hour (2026-01-15T11) not rolled up yet, and not in this answer\n')
  })

  it('says what only roll-ups hold, and what came late', async () => {
    await using other = collectorFolder()
    await cp(folder.path, other.path, { recursive: true })
    const early = join(other.path, 'raw', '2026-01-15T10')
    const [name] = await readdir(early)
    const { through } = await readCommit(other.path)
    const last = String(through).padStart(12, '0')
    await cp(join(early, name!), join(early, `${last}-${last}.parquet`))
    const late = await run(other.path, '--by', 'dst_country')
    expect(late.stderr).toContain('records of 1 hour (2026-01-15T10) that came late are not rolled up yet')
    await rm(early, { recursive: true })
    const expired = await run(other.path, '--from', '2026-01-15T10:30Z')
    expect(expired.stdout).toContain('1 flow, single records')
    expect(expired.stderr).toContain(
      'of 1 hour (2026-01-15T10) only roll-ups are kept, and not in this answer',
    )
    expect((await run(other.path, '--from', '2026-01-15T11:00Z')).stderr).toBe('')
    await rm(join(other.path, 'commit.json'))
    await expect(run(other.path)).rejects.toThrow('commit.json is missing')
  })

  it('takes ports as ranges in single records, and as they are spelt in roll-ups', async () => {
    const flows = async (...argv: string[]) =>
      (JSON.parse((await run(folder.path, ...argv, '--json')).stdout) as Asked).total.flows
    expect(await flows('--where', 'dst_port=400-500')).toBe(6)
    expect(await flows('--where', 'dst_port=1-442,444-65535')).toBe(0)
    expect(await flows('--where', 'dst_port=443', '--of', 'rollup')).toBe(5)
    expect(await flows('--where', 'dst_port=1024-49151', '--of', 'rollup')).toBe(0)
    await expect(run(folder.path, '--where', 'dst_port=8080', '--of', 'rollup')).rejects.toThrow(
      'in roll-ups ports from 1024 on are 1024-49151 and 49152-65535',
    )
    await expect(run(folder.path, '--where', 'dst_port=500-57')).rejects.toThrow('is never "500-57"')
  })

  it('counts a folder once, by however many names it is given', async () => {
    const { stdout } = await run(folder.path, `${folder.path}/`, join(folder.path, 'raw', '..'), '--json')
    expect((JSON.parse(stdout) as Asked).total.flows).toBe(6)
  })

  it('takes a folder by its very name', async () => {
    await using other = collectorFolder()
    const odd = join(other.path, 'a[1]*?')
    await cp(folder.path, odd, { recursive: true })
    const { stdout } = await run(odd, '--by', 'hour', '--json')
    expect(keysAndBytes(JSON.parse(stdout) as Asked)).toHaveLength(2)
  })

  it('says what is damaged without the engine’s query', async () => {
    await using other = collectorFolder()
    await cp(folder.path, other.path, { recursive: true })
    const [name] = await readdir(join(other.path, 'raw', '2026-01-15T11'))
    await writeFile(join(other.path, 'raw', '2026-01-15T11', name!), 'no Parquet')
    await expect(run(other.path)).rejects.toThrow(/^what is stored there cannot be read: (?!.*SELECT)[^\n]*$/)
    await expect(run(join(other.path, 'commit.json'))).rejects.toThrow('is a file: name the folder')
    await expect(run(join(other.path, 'nowhere'))).rejects.toThrow('no such folder')
  })

  it.each([
    [
      ['--by', 'dst_country,dst_addr'],
      'dst_country is only in roll-ups, and dst_addr only in single records',
    ],
    [['--by', 'color'], 'there is no field color'],
    [['--where', 'dst_addr=somewhere'], 'dst_addr is never "somewhere"'],
    [['--where', "exporter=x' OR 1=1"], 'exporter is never'],
    [['--where', 'dst_port=443 OR 1'], 'dst_port is never'],
    [['--where', 'hour=1'], '--from and --until'],
    [['--from', 'yesterday'], 'no time in UTC'],
    [['--from', '2026-02-30'], 'no time in UTC'],
    [['--database', 'x'], '--database belongs to --clickhouse'],
    [['--of', 'raw', '--by', 'dst_asn'], 'dst_asn is not in single records'],
    [['--order', 'size'], '--order "size" is none of'],
  ])('is refused when it makes no sense: %j', async (argv, message) => {
    await expect(run(folder.path, ...argv)).rejects.toThrow(message)
  })

  it('is asked again of the files that there are when a collector has merged some away', async () => {
    const now = await collectedIn(folder.path)
    const gone = { hour: null, paths: [join(folder.path, 'merged-away.parquet')], through: 1 }
    let asked = 0
    const duck = await Duck.open({ memoryMiB: 256, threads: 1 })
    await using store = openParquetStore(duck, async () => [
      asked++ === 0 ? { ...now, raw: [...now.raw, gone] } : now,
    ])
    expect((await store.ask(everything, 'raw')).total.flows).toBe(6)
    expect(asked).toBe(2)
  })

  it.each([
    ['one rate in all files', [[1, 'a']], [[1, 'a']], 2, 1],
    ['a rate in one file', [[1, 'a']], [[10, 'b']], 11, 2],
    [
      'rates beside each other in a file',
      [
        [1, 'a'],
        [100, 'a'],
        [1, 'c'],
      ],
      [[1, 'b']],
      103,
      3,
    ],
    ['the same rate everywhere, and not 1', [[4, 'a']], [[4, 'a']], 8, 1],
  ] as const)('multiplies what was sampled: %s', async (_, first, second, bytes, exporters) => {
    await using store = await storeOf(
      [first, second].map(rows => rows.map(([rate, exporter]) => ({ rate, exporter }))),
    )
    const flows = first.length + second.length
    for (const fromUnixMs of [null, 0])
      expect(await store.ask({ ...everything, fromUnixMs }, 'raw')).toMatchObject({
        total: { bytes, packets: bytes, flows },
        exporters,
      })
  })

  it('counts the exporters of the rows that are asked about', async () => {
    await using store = await storeOf([[{ exporter: 'a' }, { exporter: 'b' }], [{ exporter: 'c' }]])
    const exporters = async (...values: string[]) =>
      (await store.ask({ ...everything, where: [{ field: 'exporter', values }] }, 'raw')).exporters
    expect([await exporters('a', 'c'), await exporters('b'), await exporters('d')]).toEqual([2, 1, 0])
    await using one = await storeOf([[{ exporter: 'a' }]])
    const later = { ...everything, fromUnixMs: Date.UTC(2026, 1, 1) }
    expect(await one.ask(later, 'raw')).toMatchObject({ exporters: 0, total: { flows: 0 } })
  })

  it.each(['9223372036854775807', '9223372036854775808', '18446744073709551615'])(
    'adds up counters as large as an exporter can state: %s',
    async bytes => {
      await using store = await storeOf([
        [{ bytes }, { bytes }],
        [{ bytes }, { bytes: '1' }],
      ])
      const { total } = await store.ask(everything, 'raw')
      expect(total).toEqual({ bytes: Number(3n * BigInt(bytes) + 1n), packets: 4, flows: 4 })
    },
  )

  it('is refused where no collector was', async () => {
    await using empty = collectorFolder()
    await expect(run(empty.path)).rejects.toThrow('no collector has stored flows there')
  })
})

describeWith('clickhouse-server', 'a question to ClickHouse', () => {
  let server: TestClickHouse
  beforeAll(async () => {
    server = await startClickHouse()
    expect((await run('load', folder.path, '--clickhouse', server.url)).stdout).toBe(
      '3 hours loaded, 10 rows; 0 were there already\n',
    )
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  it.each(questions)('%s', async (_, argv, expected) => {
    const here = JSON.parse((await run(folder.path, ...argv, '--json')).stdout) as Asked
    const there = JSON.parse((await run('--clickhouse', server.url, ...argv, '--json')).stdout) as Asked
    expect(keysAndBytes(there)).toEqual(expected)
    expect(there.total).toEqual(here.total)
    expect([there.groups, there.exporters]).toEqual([here.groups, here.exporters])
  })

  it('loads what is new alone, and a changed hour instead of the one before', async () => {
    expect((await run('load', folder.path, '--clickhouse', server.url)).stdout).toBe(
      '0 hours loaded, 0 rows; 3 were there already\n',
    )
    await server.query(
      "INSERT INTO flows_loads SELECT layer, collector, loaded_hour, 'other', through, at + 1000 FROM flows_loads WHERE layer = 'raw' AND files != ''",
    )
    await run('load', folder.path, '--clickhouse', server.url)
    const { total } = JSON.parse((await run('--clickhouse', server.url, '--json')).stdout) as Asked
    expect(total.flows).toBe(6)
  })

  it('counts nothing of an hour whose loading was cut off', async () => {
    await server.query(
      "INSERT INTO flows_loads SELECT 'raw', any(collector), max(loaded_hour), '', toUInt64(1), max(at) + 1 FROM flows_loads",
    )
    const { total } = JSON.parse((await run('--clickhouse', server.url, '--json')).stdout) as Asked
    expect(total.flows).toBe(5)
  })

  it('says what is not there whole, and what is not rolled up', async () => {
    const { stderr } = await run('--clickhouse', server.url)
    expect(stderr).toContain(
      'note: 1 hour (2026-01-15T11) not there whole (loading, or cut off), and not in this answer',
    )
  })

  it('loads an hour again after another word on it, whatever the clock says', async () => {
    await run('load', folder.path, '--clickhouse', server.url)
    const again = await run('load', folder.path, '--clickhouse', server.url)
    expect(again.stdout).toBe('0 hours loaded, 0 rows; 3 were there already\n')
    const { stderr } = await run('--clickhouse', server.url, '--by', 'dst_country')
    expect(stderr).toContain('note: 1 hour (2026-01-15T11) not rolled up yet, and not in this answer')
  })

  it('takes a range of many addresses', async () => {
    const many = Array.from({ length: 30_000 }, (_, i) => `10.20.${i >> 8}.${i & 255}`)
    const argv = ['--clickhouse', server.url, '--where', `src_addr=${many.join(',')}`, '--json']
    expect((JSON.parse((await run(...argv)).stdout) as Asked).total.flows).toBe(0)
  })

  it('is told clearly when the server refuses or is not there', async () => {
    await expect(run('--clickhouse', server.url, '--database', 'nowhere')).rejects.toThrow(
      /ClickHouse refuses: .*nowhere/,
    )
    await expect(run('--clickhouse', 'http://127.0.0.1:1')).rejects.toThrow('cannot be reached')
    await server.query('CREATE DATABASE empty')
    await expect(run('--clickhouse', server.url, '--database', 'empty')).rejects.toThrow(
      'nothing was loaded into',
    )
    await expect(run('--clickhouse', 'http://u:50%@127.0.0.1:1')).rejects.toThrow('a % that begins nothing')
    await expect(run('--clickhouse', 'ftp://user:secret@x')).rejects.toThrow(/^(?!.*secret)/)
    await expect(run('load', folder.path, '--clickhouse', server.url, '--by', 'hour')).rejects.toThrow(
      'takes no --by',
    )
    await expect(run('--clickhouse', server.url, '--database', 'a;b')).rejects.toThrow(
      'is no name of a database',
    )
  })
})
