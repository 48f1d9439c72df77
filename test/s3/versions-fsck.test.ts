import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import { type BucketRow, bucketRowKey, decodeRow, objectRowKey } from '../../src/store/rows.ts'
import { type Disk, operateOnDisk } from '../support/catalog-surgery.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'

let holdfast: Holdfast
beforeAll(async () => {
  holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
})
afterAll(() => holdfast[Symbol.asyncDispose]())

async function fsck(): Promise<{ findings: string[]; orphans: string[] }> {
  const { stdout } = await holdfast.cli('fsck', '--json')
  return JSON.parse(stdout).regions[0]
}

async function setVersioning(status: string): Promise<void> {
  const body = `<VersioningConfiguration><Status>${status}</Status></VersioningConfiguration>`
  await holdfast.s3.call('PUT', '/papers', { query: { versioning: '' }, body })
}

const bucketId = async ({ catalog }: Disk): Promise<string> =>
  decodeRow<BucketRow>((await catalog.get('buckets', bucketRowKey('papers' as never)))!).id

describe('fsck of versions', () => {
  it('is clean after everything that can happen to them, and no bytes are left over', async () => {
    const { s3 } = holdfast
    await s3.makeBucket('papers')
    const long = Buffer.alloc(40_000, 'x')
    await s3.put('/papers/k', long)
    await setVersioning('Enabled')
    const kept = await s3.put('/papers/k', long)
    await s3.putParts('/papers/k', [Buffer.alloc(5 << 20), Buffer.from('end')])
    await setVersioning('Suspended')
    await s3.put('/papers/k', 'null')
    await s3.call('DELETE', '/papers/k')
    await setVersioning('Enabled')
    await s3.put('/papers/k', 'top')
    await s3.call('DELETE', '/papers/other')
    const query = { versionId: String(kept.headers['x-amz-version-id']) }
    expect((await s3.call('DELETE', '/papers/k', { query })).status).toBe(204)
    const listed = await s3.call('GET', '/papers', { query: { versions: '' } })
    expect(listed.body.toString().match(/<VersionId>/g)).toHaveLength(4)
    expect(await fsck()).toMatchObject({ findings: [], orphans: [] })
  })

  it('finds a null version that nothing points at, and a version that is current twice', async () => {
    await operateOnDisk(holdfast, async disk => {
      const id = await bucketId(disk)
      const key = objectRowKey(id, 'k')
      await disk.catalog.commit({
        removes: [{ table: 'nullversions', key }],
        puts: [{ table: 'markers', key, value: utf8('{"v":1,"marker":true,"versionId":"x"}') }],
      })
    })
    const { findings } = await fsck()
    expect(findings).toEqual([
      expect.stringContaining('papers/k: its delete marker is current, and so is an object'),
      expect.stringMatching(/papers\/k \(.*\): it is a null version and not the key's/),
    ])
  })
})

describe('fsck of objects against the books', () => {
  it('finds one that went without an entry, and one that nobody entered', async () => {
    const { s3 } = holdfast
    await s3.makeBucket('gone')
    for (const name of ['stays', 'goes', 'deleted', 'replaced'])
      await s3.put(`/gone/${name}`, `bytes of ${name}`)
    await s3.put('/gone/replaced', 'again')
    await s3.call('DELETE', '/gone/deleted')
    const before = (await fsck()).findings
    const { originId, other } = await operateOnDisk(holdfast, async disk => {
      const row = await disk.row('gone', 'goes')
      const stays = await disk.row('gone', 'stays')
      await disk.catalog.commit({
        removes: [{ table: 'objects', key: await disk.rowKey('gone', 'goes') }],
        puts: [
          {
            table: 'objects',
            key: await disk.rowKey('gone', 'stays'),
            value: utf8(JSON.stringify({ ...stays, originId: 'f'.repeat(32) })),
          },
        ],
      })
      return { originId: row.originId, other: stays.originId }
    })
    const added = (await fsck()).findings.filter(text => !before.includes(text))
    expect(added).toContain(
      `version ${originId} of bucket gone: it was entered, and is neither here nor deleted`,
    )
    expect(added).toContain(
      `version ${other} of bucket gone: it was entered, and is neither here nor deleted`,
    )
    expect(added.join('\n')).not.toContain('deleted (')
    expect(added.filter(text => text.startsWith('version '))).toHaveLength(2)
  })
})
