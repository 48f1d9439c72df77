import { copyFile, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, describe, expect, it } from 'vitest'
import { commitPath, rangePath } from '../../../src/flows/collect/folder.ts'
import { realDisk } from '../../../src/flows/collect/spool-disk.ts'
import { statusOf } from '../../../src/flows/collect/status-report.ts'
import { makeFolderDurable } from '../../../src/store/durable-file.ts'
import { startDaemon } from '../../support/child.ts'
import {
  collectInto,
  collectorFolder,
  deliver,
  exportedUnixMs,
  ipfixData,
  lineOf,
  record,
  send,
  storedLines,
  templateSet,
  templateSetV9,
  until,
  v9Data,
} from '../../support/collector.ts'
import { ipfix, netflowV9, set } from '../../support/export-messages.ts'
import { freePorts } from '../../support/free-ports.ts'
import { createChance } from '../../support/random.ts'
import { flowLine, readFlows } from '../../support/read-flows.ts'

const folders = new AsyncDisposableStack()
afterAll(() => folders.disposeAsync())
const folder = () => folders.use(collectorFolder()).path
const main = join(import.meta.dirname, '..', '..', '..', 'src', 'main.ts')

describe('a collector that is started again', () => {
  it('knows the templates and the numbers of before', async () => {
    const path = folder()
    const first = await collectInto(path)
    await deliver(first, [netflowV9(0, 1, templateSetV9), v9Data(1, 1)])
    await first.stop()
    const second = await collectInto(path)
    await deliver(second, [v9Data(5, 2)])
    await second.stop()
    expect(await storedLines(path)).toEqual([lineOf(1), lineOf(2)])
    const { lost } = await statusOf(path, exportedUnixMs)
    expect(lost.byProtocol).toEqual([{ protocol: 'NetFlow v9', unit: 'packets', lost: 3 }])
  })

  it('reads data of before whose template comes only now', async () => {
    const path = folder()
    const first = await collectInto(path)
    await deliver(first, [ipfixData(0, 1, 2)])
    await first.stop()
    expect(await storedLines(path)).toEqual([])
    const second = await collectInto(path)
    await deliver(second, [ipfix(2, 1, templateSet)])
    await second.stop()
    expect(await storedLines(path)).toEqual([lineOf(1), lineOf(2)])
  })

  it('decodes a segment again whose commit a crash took, and doubles nothing', async () => {
    const path = folder()
    const first = await collectInto(path)
    await deliver(first, [ipfix(0, 1, templateSet), ipfixData(0, 1)])
    await first.stop()
    await copyFile(commitPath(path), join(path, 'commit.before'))
    let segment = ''
    const copying = {
      ...realDisk,
      async rename(from: string, to: string) {
        await copyFile(from, join(path, 'segment.before'))
        segment = to
        await realDisk.rename(from, to)
      },
    }
    const second = await collectInto(path, { disk: copying })
    await deliver(second, [ipfixData(1, 2), ipfixData(2, 3)])
    await second.stop()
    const expected = [1, 2, 3].map(number => lineOf(number))
    expect(await storedLines(path)).toEqual(expected)

    await copyFile(join(path, 'commit.before'), commitPath(path))
    await copyFile(join(path, 'segment.before'), segment)
    const third = await collectInto(path)
    await third.stop()
    expect(await storedLines(path)).toEqual(expected)
    expect((await statusOf(path, exportedUnixMs)).stored).toMatchObject({
      datagrams: 4,
      decoded: 4,
      records: 3,
    })
  })

  it('goes on when its decoder is killed', async () => {
    const path = folder()
    const collector = await collectInto(path, { limits: { segmentMs: 100 } })
    await deliver(collector, [ipfix(0, 1, templateSet), ipfixData(0, 1)])
    await until(() => collector.decoded()?.records === 1)
    process.kill(Number(await readFile(join(path, 'decoder.lock'), 'utf8')), 'SIGKILL')
    await deliver(collector, [ipfixData(1, 2)])
    await until(() => collector.decoded()?.records === 2)
    const { faults } = await collector.stop()
    expect(faults).toEqual([])
    expect(await storedLines(path)).toEqual([lineOf(1), lineOf(2)])
  })

  it('sets a segment aside that cannot be decoded, counts it, and goes on', async () => {
    const path = folder()
    // A folder where its file has to be made: its rows can be written nowhere.
    const hour = exportedUnixMs / 3_600_000
    const inTheWay = `${rangePath(path, 'raw', hour, { from: 1, through: 1 })}.part`
    await makeFolderDurable(inTheWay)
    const collector = await collectInto(path, { limits: { segmentMs: 100 } })
    // One datagram, which is in one segment.
    await deliver(collector, [ipfix(0, 1, templateSet, set(256, record(1)))])
    await until(() => collector.decoded()?.failedSegments === 1)
    await rm(inTheWay, { recursive: true })
    await deliver(collector, [ipfix(1, 1, templateSet), ipfixData(1, 2)])
    await collector.stop()
    expect(await storedLines(path)).toEqual([lineOf(2)])
    const { stored } = await statusOf(path, exportedUnixMs)
    expect(stored).toMatchObject({ datagrams: 3, decoded: 2, setAside: 1 })
    const [kept] = await readdir(join(path, 'failed'))
    const { records } = await readFlows(await readFile(join(path, 'failed', kept!)))
    expect(records.map(flowLine)).toEqual([lineOf(1)])
  })

  it('has after kill -9 what it counted as stored, and nothing twice', async () => {
    const path = folder()
    const [port] = (await freePorts(1)) as [number]
    const chance = createChance(11)
    const collect = () =>
      startDaemon(
        process.execPath,
        [main, 'collect', path, '--listen', `127.0.0.1:${port}`, '--segment', '1s', '--keep-free', '0M'],
        { ready: 'collect ready' },
      )
    let sequence = 0
    let atLeast = 0
    for (let life = 0; life < 4; life++) {
      const daemon = await collect()
      // The template comes in the first life only, and is known on disk before that ends.
      if (life === 0) {
        await send(port, [ipfix(0, 1, templateSet)])
        await until(async () => (await statusOf(path, Date.now())).stored.datagrams > 0)
      }
      let isSending = true
      const sending = (async () => {
        while (isSending) {
          await send(
            port,
            Array.from({ length: 20 }, () => ipfixData(sequence, sequence++)),
          )
          await sleep(5)
        }
      })()
      await sleep(1000 + chance.below(1200))
      atLeast = (await statusOf(path, Date.now())).stored.datagrams
      // Half of the times the decoder outlives the collector, and the next one's waits for it.
      if (life % 2 === 0) process.kill(daemon.pid, 'SIGKILL')
      else await daemon.end('SIGKILL')
      await until(() => !daemon.running)
      isSending = false
      await sending
    }
    const last = await collect()
    await last.end('SIGTERM')
    const lines = await storedLines(path)
    const { stored } = await statusOf(path, Date.now())
    expect(stored.inSpool).toBe(0)
    expect(stored.decoded).toBeGreaterThanOrEqual(atLeast)
    expect(lines).toHaveLength(stored.decoded - 1)
    expect(new Set(lines).size).toBe(lines.length)
    const sent = new Set(Array.from({ length: sequence }, (_, number) => lineOf(number)))
    expect(lines.every(line => sent.has(line))).toBe(true)
  })
})
