import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderStatement } from '../../src/cli/statement-page/render.ts'
import type { EntryDraft } from '../../src/ledger/entry-types.ts'
import { createTestLedger, type TestLedger, type TestTenant } from '../support/ledger.ts'

describe('a statement as a page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-page-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  let ledger: TestLedger
  let alice: TestTenant
  const trust = join(folder, 'trust.json')
  const by = { accessKeyId: 'AK' }

  const put = (origin: string, bytes: number, replaced: string | null = null) => ({
    type: 'object.put',
    body: {
      bucket: 'b<i>',
      key: `k"${origin}`,
      originId: origin,
      sizeBytes: bytes,
      ciphertextBytes: bytes,
      replaced,
      by,
    },
  })

  beforeAll(async () => {
    ledger = await createTestLedger()
    alice = await ledger.join()
    writeFileSync(trust, alice.trustText)
    const opened = {
      type: 'read.opened',
      body: {
        bucket: 'b<i>',
        key: 'k',
        maxBytes: 50,
        client: { address: '192.0.2.1', port: 1, country: 'SG' },
        by,
      },
    }
    for (const { type, body } of [
      put('o1', 1000),
      put('o2', 500),
      put('o3', 700, 'o1'),
      {
        type: 'object.deleted',
        body: { bucket: 'b<i>', key: 'k"o2', originId: 'o2', by, instruction: null },
      },
      {
        type: 'reads.summed',
        body: { bucket: 'b<i>', accessKeyId: 'AK', count: 3, bytes: 2100, from: '', until: '' },
      },
      {
        type: 'refusal',
        body: { principal: 'p', rule: 'r', operation: 'o', resource: 'x', count: 4, from: '', until: '' },
      },
      {
        type: 'connection',
        body: { remote: { address: '192.0.2.1', country: 'SG' }, bytesOut: 4000, bytesIn: 1 },
      },
      { type: 'of.another.time', body: { any: 1 } },
      {
        type: 'transfer.arrived',
        body: {
          toBucket: 'c',
          objects: [['o9', 250, 'aa'], 'nonsense'],
          peer: 'de-frankfurt',
          instruction: 'i',
          bytes: 250,
        },
      },
    ]) {
      const drafted = ledger.drafts.draft({ tenant: alice.id, type, body } as never as EntryDraft)
      await ledger.catalog.commit({ puts: [drafted.put] })
    }
    const read = ledger.drafts.draft({ tenant: alice.id, ...opened } as never as EntryDraft)
    const closed = {
      tenant: alice.id,
      type: 'read.closed',
      body: { opening: read.entryId, bytes: 42, outcome: 'complete' },
    }
    await ledger.catalog.commit({ puts: [read.put, ledger.drafts.draft(closed as never as EntryDraft).put] })
    await ledger.newSequencer().tick()
  })

  const pageOf = async (name: string, bytes: Uint8Array): Promise<string> => {
    const file = join(folder, name)
    writeFileSync(file, bytes)
    return renderStatement(file, trust)
  }
  const plain = (html: string): string =>
    html
      .replace(/<style>.*?<\/style>/s, '')
      .replace(/<[^>]+>/g, ' ')
      .replace(/\s+/g, ' ')

  it('sums what came in, went out and is at rest, and names every country', async () => {
    const html = await pageOf('s.json', await ledger.statement(alice))
    const text = plain(html)
    // In: 1000 + 500 + 700; out: the one that was replaced and the one that was deleted.
    expect(text).toContain('b&lt;i&gt; 3 2.20 kB 2 1.50 kB 1 700 B 3 2.10 kB')
    expect(text).toContain('c 1 250 B 0 0 B 1 250 B')
    expect(text).toContain('Singapore 1 42 B 1 4.00 kB')
    expect(text).toContain('4 request(s) were refused')
    expect(text).toContain('Stored b&lt;i&gt;/k&quot;o1, 1.00 kB')
    expect(text).toContain('of.another.time')
    expect(text).toContain('no. 0 to 11 of 12')
    expect(html).not.toContain('<i>')
    expect(html).not.toMatch(/<script|https?:\/\//)
  })

  it('of a part says that it is one, and sums nothing that it cannot know', async () => {
    const text = plain(await pageOf('part.json', await ledger.statement(alice, { first: 4 })))
    expect(text).toContain('This is a part')
    expect(text).not.toContain('At rest now')
    expect(text).toContain('no. 4 to 11 of 12')
  })

  it('is not made of a statement that does not verify', async () => {
    const bytes = Buffer.from(await ledger.statement(alice))
    const changed = Buffer.from(bytes.toString('utf8').replace('"sizeBytes":1000', '"sizeBytes":1001'))
    await expect(pageOf('bad.json', changed)).rejects.toThrow('does not verify, so it is not rendered')
  })
})
