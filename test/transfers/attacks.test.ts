/**
 * A forged, replayed, wrong-tenant, under-quorum, altered or over-limit instruction is refused by the source and by
 * the destination, each on its own: the destination is spoken to directly here, as a dishonest source would.
 */
import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../src/core/bytes.ts'
import type { BucketName, InstructionId, OriginId, RegionId } from '../../src/core/ids.ts'
import { isoTime } from '../../src/core/time.ts'
import { type Envelope, printEnvelope } from '../../src/crypto/dsse.ts'
import { ciphertextSha256, readManifest } from '../../src/crypto/manifest.ts'
import { generatePrivateKey } from '../../src/crypto/signatures.ts'
import { documentId } from '../../src/crypto/signed-document.ts'
import { sha256Hex } from '../../src/crypto/sigv4.ts'
import { createInstructionBook } from '../../src/instructions/instruction-book.ts'
import type { Region } from '../../src/open-region.ts'
import { findBucket } from '../../src/store/buckets.ts'
import { contentOf } from '../../src/store/content.ts'
import { findObject } from '../../src/store/objects.ts'
import { readPlace } from '../../src/store/places.ts'
import { type BucketKeyRow, decodeRow } from '../../src/store/rows.ts'
import { frameHead } from '../../src/transfers/frame.ts'
import { listDigest, pageDigest } from '../../src/transfers/list.ts'
import { createPeerClient, type PeerClient } from '../../src/transfers/peer-client.ts'
import { type Peer, peerProofOf } from '../../src/transfers/peers.ts'
import {
  type Head,
  itemsDigest,
  type ObjectHead,
  type PeerProof,
  rowDigest,
  type TransferItem,
} from '../../src/transfers/protocol.ts'
import { sentRow } from '../../src/transfers/scope.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import {
  api,
  booksOf,
  draft,
  type InstructionFields,
  instruct,
  instructionFields,
  say,
  settled,
  verdict,
} from '../support/instructions.ts'

const frankfurt =
  '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>'
const mumbai = 'in-mumbai' as RegionId
const deFrankfurt = 'de-frankfurt' as RegionId

let test: TestApp
let acme: Customer
let rival: Customer

beforeAll(async () => {
  test = await startTestApp()
  acme = await test.customer('acme', 3, 2)
  rival = await test.customer('rival', 1, 1)
  await acme.s3('PUT', '/source')
  for (const bucket of ['target', 'lured']) await acme.s3('PUT', `/${bucket}`, frankfurt)
  await acme.s3('PUT', '/kept', frankfurt)
  const versioned = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>'
  await acme.s3('PUT', '/kept?versioning', versioned)
  await acme.s3('PUT', '/wages', frankfurt, { 'x-holdfast-data-class': 'payment' })
  await rival.s3('PUT', '/rivals')
  for (const key of ['in/one', 'in/two', 'out/three'])
    await acme.s3('PUT', `/source/${key}`, randomBytes(1000))
  await acme.s3('PUT', '/source/in/large', randomBytes(200_000))
})
afterAll(() => test?.[Symbol.asyncDispose]())

function approvals(envelope: Envelope, ...keys: readonly number[]): Envelope[] {
  return keys.map(index => verdict('approved', envelope, acme.tenant, acme.approvers[index]!))
}

async function nothingArrived(): Promise<void> {
  const xml = await (await acme.s3('GET', '/target?list-type=2')).text()
  expect(xml).not.toContain('<Key>')
}

describe('the source, through the control API', () => {
  const refusedFields: [string, () => InstructionFields, RegExp][] = [
    ['of another tenant', () => ({ tenant: rival.tenant }), /another tenant/],
    [
      'from a bucket of another tenant',
      () => ({ from: { bucket: 'rivals', region: 'in-mumbai' } }),
      /no bucket rivals of yours/,
    ],
    ['for another ledger', () => ({ ledger: 'holdfast.test/log/sg-singapore' }), /another ledger/],
    [
      'that is valid for more than a year',
      () => ({ expires: isoTime(Date.now() + 400 * 86_400e3) }),
      /more than 366 days/,
    ],
    ['that expires before it begins', () => ({ expires: isoTime(Date.now() - 5000) }), /expires before/],
    ['with a field of its own', () => ({ sudo: true }), /Unrecognized key/],
    ['of another version', () => ({ v: 2 }), /v/],
    ['inside one region', () => ({ to: { bucket: 'source', region: 'in-mumbai' } }), /one region to another/],
    ['with a limit below nothing', () => ({ limits: { bytes: -1, objects: null } }), /limits/],
  ]
  it.each(refusedFields)('refuses to draft one %s', async (_name, change, message) => {
    const envelope = draft(instructionFields(acme, change()))
    const { status, json } = await api(acme, 'POST', '/instructions', { envelope: printEnvelope(envelope) })
    expect(status).toBe(400)
    expect(json.message).toMatch(message)
  })

  it('refuses an instruction that is not canonical: what is signed could be read in two ways', async () => {
    const envelope = draft(instructionFields(acme))
    const spaced = {
      ...envelope,
      payload: Buffer.from(Buffer.from(envelope.payload).toString().replace(',"', ', "')),
    }
    const { status, json } = await api(acme, 'POST', '/instructions', { envelope: printEnvelope(spaced) })
    expect([status, json.message]).toEqual([400, expect.stringMatching(/canonical/)])
  })

  const badVerdicts: [string, (envelope: Envelope) => Envelope][] = [
    [
      'by a stranger’s key',
      envelope => verdict('approved', envelope, acme.tenant, generatePrivateKey('ed25519')),
    ],
    [
      'by another tenant’s approver',
      envelope => verdict('approved', envelope, acme.tenant, rival.approvers[0]!),
    ],
    [
      'that names another tenant',
      envelope => verdict('approved', envelope, rival.tenant, acme.approvers[0]!),
    ],
    [
      'altered after it was signed',
      envelope => {
        const signed = approvals(envelope, 0)[0]!
        const text = Buffer.from(signed.payload).toString().replace('"reason":""', '"reason":"x"')
        return { ...signed, payload: Buffer.from(text) }
      },
    ],
    ['without a signature', envelope => ({ ...approvals(envelope, 0)[0]!, signatures: [] })],
    [
      'with two signatures in one',
      envelope => ({
        ...approvals(envelope, 0)[0]!,
        signatures: [...approvals(envelope, 0)[0]!.signatures, ...approvals(envelope, 1)[0]!.signatures],
      }),
    ],
    [
      // The signature is over the approval's type: passed off as a rejection it is none.
      'of another kind than was signed',
      envelope => ({ ...approvals(envelope, 0)[0]!, payloadType: 'application/vnd.holdfast.rejection+json' }),
    ],
  ]
  it.each(badVerdicts)('does not count a verdict %s', async (_name, forge) => {
    const envelope = draft(instructionFields(acme))
    const id = await instruct(acme, envelope)
    const { status } = await say(acme, forge(envelope), id)
    expect(status).toBe(422)
    const { json } = await api(acme, 'GET', `/instructions/${id}`)
    expect([json.state, json.approvals]).toEqual(['drafted', 0])
  })

  it('does not count an approval of one instruction for another', async () => {
    const [one, two] = [draft(instructionFields(acme)), draft(instructionFields(acme))]
    await instruct(acme, one)
    const id = await instruct(acme, two)
    await say(acme, approvals(one, 0)[0]!, id)
    const { json } = await api(acme, 'GET', `/instructions/${id}`)
    expect(json.approvals).toBe(0)
  })

  it('shows nothing of an instruction to another tenant, and takes no verdict from it', async () => {
    const envelope = draft(instructionFields(acme))
    const id = await instruct(acme, envelope)
    expect((await api(rival, 'GET', `/instructions/${id}`)).status).toBe(404)
    expect((await say(rival, approvals(envelope, 0)[0]!, id)).status).toBe(404)
    expect((await api(rival, 'GET', '/instructions')).json.instructions).toEqual([])
  })

  it('does not run a completed instruction again', async () => {
    const fields = { scope: { prefix: 'nothing-here/' } }
    const envelope = draft(instructionFields(acme, fields))
    const id = await instruct(acme, envelope)
    for (const approval of approvals(envelope, 0, 1)) await say(acme, approval, id)
    expect((await settled(acme, id)).state).toBe('completed')
    await acme.s3('PUT', '/source/nothing-here/now', 'late')
    await say(acme, approvals(envelope, 2)[0]!, id)
    // Drafted again word for word it is the same instruction, and stays ended.
    await instruct(acme, envelope)
    expect((await settled(acme, id)).objects).toBe(0)
    await nothingArrived()
  })
})

describe('the destination, spoken to by a dishonest source', () => {
  let source: Region
  let peer: Peer
  let items: TransferItem[]

  beforeEach(() => {
    source = test.app.regions.get(mumbai)!
    const destination = test.app.regions.get(deFrankfurt)!
    peer = {
      id: destination.id,
      country: destination.country,
      operator: destination.operator,
      ...destination.peer,
      certificate: destination.identity.certificate,
      log: destination.logKey.log,
    }
    items = [item('in/one'), item('in/two')]
  })

  function item(key: string, ciphertextBytes = 1106): TransferItem {
    const digest = (): string => randomBytes(32).toString('hex')
    const originId = randomBytes(16).toString('hex') as OriginId
    return {
      key,
      originId,
      ciphertextBytes,
      ciphertextSha256: digest(),
      manifestSha256: digest(),
      rowSha256: digest(),
    }
  }

  const clientFor = (envelope: Envelope): PeerClient =>
    createPeerClient(source.door, peer, documentId(envelope) as InstructionId, {
      onSocket: () => {},
      onAnswer: () => {},
    })

  const offer = (envelope: Envelope, verdicts: readonly Envelope[], pages: string[] | null = null) =>
    clientFor(envelope).offer(printEnvelope(envelope), verdicts.map(printEnvelope), pages)

  /** A request of one object; throws what it was refused for. */
  async function sendOne(
    client: PeerClient,
    batch: number,
    head: Head,
    bytes: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    async function* frame(): AsyncGenerator<Uint8Array> {
      yield frameHead(head)
      yield* bytes
    }
    for (const { message } of await client.sendObjects(batch, frame())) throw new Error(message)
  }

  /** A departure that really is in the source's log, whatever it says. */
  async function departure(envelope: Envelope, change: Record<string, unknown> = {}): Promise<PeerProof> {
    const { to } = JSON.parse(Buffer.from(envelope.payload).toString())
    const body = {
      instruction: documentId(envelope) as InstructionId,
      batch: 0,
      peer: 'de-frankfurt',
      bucket: 'source',
      toBucket: to.bucket,
      manifestSha256: itemsDigest(items),
      objects: items.map(each => [each.originId, each.ciphertextBytes, each.ciphertextSha256] as const),
      bytes: items.reduce((sum, each) => sum + each.ciphertextBytes, 0),
      law: { versions: {}, packs: '0'.repeat(64), from: 'IN', to: 'DE', dataClass: 'personal', rules: [] },
      ...change,
    }
    const draftEntry = source.drafts.draft({ tenant: acme.tenant, type: 'transfer.departed', body })
    await source.catalog.commit({ puts: [draftEntry.put] })
    for (;;) {
      const proof = await peerProofOf(source, acme.tenant, draftEntry.entryId)
      if (proof !== null) return proof
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  const approved = (change: InstructionFields = {}): { envelope: Envelope; verdicts: Envelope[] } => {
    const envelope = draft(instructionFields(acme, change))
    return { envelope, verdicts: approvals(envelope, 0, 1) }
  }

  const refusedOffers: [string, () => { envelope: Envelope; verdicts: Envelope[] }, RegExp][] = [
    ['without an approval', () => ({ ...approved(), verdicts: [] }), /0 of the 2 approvals/],
    [
      'under quorum',
      () => {
        const { envelope, verdicts } = approved()
        return { envelope, verdicts: verdicts.slice(0, 1) }
      },
      /1 of the 2 approvals/,
    ],
    [
      'with a quorum met by one key twice',
      () => {
        const { envelope } = approved()
        const again = verdict('approved', envelope, acme.tenant, acme.approvers[0]!, { reason: 'again' })
        return { envelope, verdicts: [...approvals(envelope, 0), again] }
      },
      /1 of the 2 approvals/,
    ],
    [
      'with a forged second approval',
      () => {
        const { envelope } = approved()
        const forged = verdict('approved', envelope, acme.tenant, generatePrivateKey('ed25519'))
        return { envelope, verdicts: [...approvals(envelope, 0), forged] }
      },
      /1 of the 2 approvals/,
    ],
    [
      'that has expired',
      () => approved({ notBefore: isoTime(Date.now() - 9000), expires: isoTime(Date.now() - 1000) }),
      /expired/,
    ],
    ['that is not yet valid', () => approved({ notBefore: isoTime(Date.now() + 600e3) }), /valid from/],
    [
      'to another region',
      () => approved({ to: { bucket: 'target', region: 'sg-singapore' } }),
      /not between these two/,
    ],
    [
      'from another region',
      () => approved({ from: { bucket: 'source', region: 'sg-singapore' } }),
      /not between these two/,
    ],
    [
      'into a bucket that the tenant has not',
      () => approved({ to: { bucket: 'nowhere', region: 'de-frankfurt' } }),
      /no bucket nowhere/,
    ],
    [
      'into a bucket for data that the law of the source keeps at home',
      () => approved({ to: { bucket: 'wages', region: 'de-frankfurt' } }),
      /in-rbi-psd \(Reserve Bank of India/,
    ],
    [
      'of a tenant that it does not know',
      () => {
        const { envelope, verdicts } = approved({ tenant: 'ab'.repeat(32) })
        return { envelope, verdicts }
      },
      /has not joined/,
    ],
    [
      'altered after its approval',
      () => {
        const { envelope, verdicts } = approved()
        const text = Buffer.from(envelope.payload).toString().replace('"mode":"copy"', '"mode":"move"')
        return { envelope: { ...envelope, payload: Buffer.from(text) }, verdicts }
      },
      /no such instruction here|0 of the 2 approvals/,
    ],
    [
      'that was revoked',
      () => {
        const { envelope, verdicts } = approved()
        return {
          envelope,
          verdicts: [...verdicts, verdict('revoked', envelope, acme.tenant, acme.approvers[2]!)],
        }
      },
      /revoked/,
    ],
  ]
  it.each(refusedOffers)('refuses an instruction %s', async (_name, make, message) => {
    const { envelope, verdicts } = make()
    await expect(offer(envelope, verdicts)).rejects.toThrow(message)
    await nothingArrived()
  })

  it('takes an approved one, and no batch without a departure in the source’s log', async () => {
    const { envelope, verdicts } = approved()
    await offer(envelope, verdicts)
    const client = clientFor(envelope)
    const lies: [Record<string, unknown>, number][] = [
      [{ manifestSha256: 'ab'.repeat(32) }, 0],
      [{ peer: 'sg-singapore' }, 0],
      [{ toBucket: 'elsewhere' }, 0],
      [{ instruction: 'ab'.repeat(32) }, 0],
      [{}, 1],
    ]
    for (const [change, batch] of lies) {
      const proof = await departure(envelope, change)
      await expect(client.openBatch(batch, items, proof)).rejects.toThrow(
        /not in the books of in-mumbai: it says something else/,
      )
    }
    const proof = await departure(envelope)
    const cut = { ...proof, receipt: proof.receipt.replace(/\n\n[\s\S]*$/, '\n\n') }
    await expect(client.openBatch(0, items, cut)).rejects.toThrow(/not in the books/)
    const otherLeaf = {
      ...proof,
      leaf: `${proof.leaf.slice(0, -2)}${proof.leaf.endsWith('00') ? '01' : '00'}`,
    }
    await expect(client.openBatch(0, items, otherLeaf)).rejects.toThrow(/not in the books/)
    await expect(client.openBatch(0, [...items].reverse(), proof)).rejects.toThrow(/not in the books/)
    expect((await client.openBatch(0, items, proof)).sort()).toEqual(items.map(each => each.originId).sort())
  })

  it('takes nothing out of scope or over the limits', async () => {
    const scoped = approved({ scope: { prefix: 'in/' } })
    await offer(scoped.envelope, scoped.verdicts)
    items = [item('in/one'), item('out/three')]
    await expect(
      clientFor(scoped.envelope).openBatch(0, items, await departure(scoped.envelope)),
    ).rejects.toThrow(/does not start with/)
    const limited = approved({ limits: { bytes: 2000, objects: null } })
    await offer(limited.envelope, limited.verdicts)
    items = [item('in/one'), item('in/two')]
    await expect(
      clientFor(limited.envelope).openBatch(0, items, await departure(limited.envelope)),
    ).rejects.toThrow(/more than the 2000/)
    const counted = approved({ limits: { bytes: null, objects: 1 } })
    await offer(counted.envelope, counted.verdicts)
    await expect(
      clientFor(counted.envelope).openBatch(0, items, await departure(counted.envelope)),
    ).rejects.toThrow(/more than the 1 /)
  })

  it.each<[string, unknown]>([
    ['is of another class than its bucket is for', { dataClass: 'payment' }],
    ['is of a class that nobody knows', { dataClass: 'secret' }],
    ['says no class', {}],
    ['says nothing of the law', undefined],
  ])('takes no batch that %s', async (_what, law) => {
    const { envelope, verdicts } = approved()
    await offer(envelope, verdicts)
    await expect(clientFor(envelope).openBatch(0, items, await departure(envelope, { law }))).rejects.toThrow(
      /target holds personal data, and what would come is (payment|secret|unknown) data/,
    )
    await nothingArrived()
  })

  it('takes no object that did not depart, and none whose description is another', async () => {
    const { envelope, verdicts } = approved()
    await offer(envelope, verdicts)
    const client = clientFor(envelope)
    await client.openBatch(0, items, await departure(envelope))
    const head = {
      key: items[0]!.key,
      row: {
        originId: items[0]!.originId,
        sizeBytes: 1000,
        ciphertextBytes: 1106,
        etag: 'x',
        modifiedUnixMs: 0,
        headers: {},
        metadata: {},
        checksum: null,
        bucketKeyId: 'k',
        wrappedDataKey: '',
        partCount: 1,
      },
      manifest: Buffer.alloc(200).toString('base64'),
      bucketKey: {
        v: 1 as const,
        bucketKeyId: 'k',
        tenant: acme.tenant,
        checkValue: 'x',
        wrapped: { holderKeyId: 'k', ciphertext: '', initializationVector: '', authenticationTag: '' },
      },
    }
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield randomBytes(1106)
    }
    const stranger = { ...head, row: { ...head.row, originId: 'ab'.repeat(16) } }
    await expect(sendOne(client, 0, stranger, bytes())).rejects.toThrow(/did not depart/)
    await expect(sendOne(client, 0, head, bytes())).rejects.toThrow(/another manifest/)
    expect((await client.close(0)).arrived).toEqual([])
    await nothingArrived()
  })

  it('stops at the next object when it hears of a revocation that the source kept back', async () => {
    const { envelope, verdicts } = approved()
    await offer(envelope, verdicts)
    const client = clientFor(envelope)
    await client.openBatch(0, items, await departure(envelope))
    const destination = test.app.regions.get(deFrankfurt)!
    const book = createInstructionBook({ ...destination, countries: new Map(), clock: Date.now })
    await book.say(verdict('revoked', envelope, acme.tenant, acme.approvers[2]!))
    await expect(client.close(0)).rejects.toThrow(/revoked/)
    await expect(client.openBatch(1, items, await departure(envelope, { batch: 1 }))).rejects.toThrow(
      /revoked/,
    )
  })

  interface Departing {
    readonly item: TransferItem
    readonly head: ObjectHead
    readonly ciphertext: Buffer
  }

  /** An object of the source as an honest one would send it; `change` is what it lies about its row. */
  async function real(key: string, change: Partial<ObjectHead['row']> = {}): Promise<Departing> {
    const { catalog, blobs } = source
    const bucket = await findBucket(catalog, 'source' as BucketName)
    const found = (await findObject(catalog, bucket!.row.id, key))!
    const row = sentRow(bucket!.row.id, key, found, null) as ObjectHead['row']
    const { manifest, places } = (await contentOf(catalog, found))!
    const { parts } = readManifest(manifest)
    const range = { start: 0, end: row.ciphertextBytes }
    await using reader = await readPlace(catalog, blobs, places[0]!, range)
    const chunks: Uint8Array[] = []
    for (let chunk = await reader.next(); chunk !== null; chunk = await reader.next()) chunks.push(chunk)
    const bucketKey = decodeRow<BucketKeyRow>((await catalog.get('bucketkeys', utf8(row.bucketKeyId)))!)
    const sent = { ...row, ...change }
    return {
      item: {
        key,
        originId: found.originId,
        ciphertextBytes: row.ciphertextBytes,
        ciphertextSha256: ciphertextSha256(parts),
        manifestSha256: sha256Hex(manifest),
        rowSha256: rowDigest(sent),
      },
      head: { key, row: sent, manifest: Buffer.from(manifest).toString('base64'), bucketKey },
      ciphertext: Buffer.concat(chunks),
    }
  }

  /** Announces one object as a batch of its own. */
  async function announce(envelope: Envelope, batch: number, object: Departing): Promise<void> {
    items = [object.item]
    await clientFor(envelope).openBatch(batch, items, await departure(envelope, { batch }))
  }

  async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield bytes
  }

  const send = (envelope: Envelope, batch: number, { head, ciphertext }: Departing): Promise<void> =>
    sendOne(clientFor(envelope), batch, head, whole(ciphertext))

  const intoLured = { to: { bucket: 'lured', region: 'de-frankfurt' } }
  const keysOfLured = async (): Promise<number> => {
    const xml = await (await acme.s3('GET', '/lured?list-type=2')).text()
    return xml.match(/<Key>/g)?.length ?? 0
  }
  const blobsHere = async (): Promise<number> => {
    let count = 0
    for await (const _blob of test.app.regions.get(deFrankfurt)!.blobs.list()) count++
    return count
  }

  it('publishes no more than the limits in batches that are each within them', async () => {
    const { envelope, verdicts } = approved({ ...intoLured, limits: { bytes: null, objects: 1 } })
    await offer(envelope, verdicts)
    const client = clientFor(envelope)
    const objects = [await real('in/one'), await real('in/two')]
    for (const [batch, object] of objects.entries()) await announce(envelope, batch, object)
    for (const [batch, object] of objects.entries()) await send(envelope, batch, object)
    const closed = await Promise.allSettled([client.close(0), client.close(1)])
    expect(closed.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const over = closed.findIndex(({ status }) => status === 'rejected')
    expect(String((closed[over] as PromiseRejectedResult).reason)).toMatch(/2 objects are more than the 1 /)
    // What was over is given up for good.
    await expect(client.close(over)).rejects.toThrow(/given up/)
    await expect(send(envelope, over, objects[over]!)).rejects.toThrow(/closed/)
    expect(await keysOfLured()).toBe(1)
  })

  it('takes no object whose description is not the one that departed', async () => {
    const { envelope, verdicts } = approved(intoLured)
    await offer(envelope, verdicts)
    const honest = await real('in/two')
    await announce(envelope, 0, honest)
    const lies: Partial<ObjectHead['row']>[] = [
      { etag: 'ab'.repeat(16) },
      { metadata: { note: 'forged' } },
      { headers: { 'content-type': 'text/html' } },
      { checksum: { algorithm: 'CRC32', value: 'AAAAAA==', type: 'FULL_OBJECT' } },
      { modifiedUnixMs: 0 },
      { wrappedDataKey: Buffer.alloc(40).toString('base64') },
    ]
    for (const lie of lies) {
      const { head } = await real('in/two', lie)
      await expect(send(envelope, 0, { ...honest, head })).rejects.toThrow(/another description/)
    }
    // Departed with the lie: the manifest knows better.
    const resized = await real('in/two', { sizeBytes: 999 })
    await announce(envelope, 1, resized)
    await expect(send(envelope, 1, resized)).rejects.toThrow(/another size/)
    await send(envelope, 0, honest)
  })

  it('takes nothing that is not on the list that was approved', async () => {
    const listed = [await real('in/one'), await real('in/two')]
    const pages = [pageDigest(listed.map(each => each.item))]
    const bound = { ...intoLured, scope: { list: listDigest(pages), prefix: '' } }
    const { envelope, verdicts } = approved(bound)
    const others = [[], [pageDigest([listed[0]!.item])], [...pages, ...pages], null]
    for (const other of others)
      await expect(offer(envelope, verdicts, other)).rejects.toThrow(/not those of the list/)
    await offer(envelope, verdicts, pages)
    const stranger = await real('in/large')
    for (const lie of [
      [stranger.item],
      [listed[0]!.item],
      [listed[1]!.item, listed[0]!.item],
      [...listed.map(each => each.item), stranger.item],
      [{ ...stranger.item, key: 'in/one' }, listed[1]!.item],
    ]) {
      items = lie
      await expect(clientFor(envelope).openBatch(0, items, await departure(envelope))).rejects.toThrow(
        /not the page of that number/,
      )
    }
    items = listed.map(each => each.item)
    const again = await departure(envelope, { batch: 1 })
    await expect(clientFor(envelope).openBatch(1, items, again)).rejects.toThrow(/not the page/)
    await clientFor(envelope).openBatch(0, items, await departure(envelope))
    for (const object of listed) await send(envelope, 0, object)
    expect((await clientFor(envelope).close(0)).arrived).toHaveLength(2)
  })

  it('takes no delete marker but where all versions go, and none there that did not depart', async () => {
    const row = { originId: randomBytes(16).toString('hex'), marker: true as const, modifiedUnixMs: 5 }
    const nothing = sha256Hex('')
    const marker: TransferItem = {
      ...{ key: 'in/one', originId: row.originId as OriginId, ciphertextBytes: 0 },
      ...{ ciphertextSha256: nothing, manifestSha256: nothing, rowSha256: rowDigest(row) },
    }
    const versioned = { to: { bucket: 'kept', region: 'de-frankfurt' } }
    for (const [scope, message] of [
      [{ prefix: '' }, /only where all versions go/],
      [{ prefix: '', versions: 'all' }, /another delete marker/],
    ] as const) {
      const { envelope, verdicts } = approved({ ...versioned, scope })
      await offer(envelope, verdicts)
      items = [marker]
      await clientFor(envelope).openBatch(0, items, await departure(envelope))
      const lie = 'versions' in scope ? { ...row, modifiedUnixMs: 6 } : row
      const sent = sendOne(clientFor(envelope), 0, { key: 'in/one', row: lie }, whole(Buffer.alloc(0)))
      await expect(sent).rejects.toThrow(message)
      expect((await clientFor(envelope).close(0)).arrived).toEqual([])
    }
  })

  it('takes no lock and no access list into a bucket that cannot keep them', async () => {
    const { envelope, verdicts } = approved(intoLured)
    expect((await offer(envelope, verdicts)).locks).toBe(false)
    const untilUnixMs = Date.now() + 86_400e3
    const grant = { grantee: { group: 'AllUsers' as const }, permission: 'READ' as const }
    const lies: [Partial<ObjectHead['row']>, RegExp][] = [
      [{ legalHold: 'ON' }, /no object lock/],
      [{ retention: { mode: 'COMPLIANCE', untilUnixMs } }, /no object lock/],
      [{ acl: [grant] }, /access list/],
      [{ owner: rival.tenant }, /access list/],
    ]
    for (const [batch, [change, message]] of lies.entries()) {
      const object = await real('in/one', change)
      await announce(envelope, batch, object)
      await expect(send(envelope, batch, object)).rejects.toThrow(message)
    }
    // A retention that is over is none.
    const over = await real('in/two', { retention: { mode: 'COMPLIANCE', untilUnixMs: 1 } })
    await announce(envelope, lies.length, over)
    await send(envelope, lies.length, over)
  })

  it('goes on behind an object of a request that is refused', async () => {
    const { envelope, verdicts } = approved(intoLured)
    await offer(envelope, verdicts)
    const [bad, good] = [await real('in/large'), await real('in/two')]
    items = [bad.item, good.item]
    const client = clientFor(envelope)
    await client.openBatch(0, items, await departure(envelope))
    async function* both(): AsyncGenerator<Uint8Array> {
      yield frameHead(bad.head)
      yield randomBytes(bad.ciphertext.length)
      yield frameHead(good.head)
      yield good.ciphertext
    }
    expect(await client.sendObjects(0, both())).toEqual([
      {
        originId: bad.item.originId,
        rule: 'instruction-out-of-scope',
        message: expect.stringMatching(/not those that departed/),
      },
    ])
    expect((await client.close(0)).arrived).toEqual([good.item.originId])
  })

  it('keeps one copy of an object that is sent twice at once', async () => {
    const { envelope, verdicts } = approved(intoLured)
    await offer(envelope, verdicts)
    const object = await real('in/large')
    await announce(envelope, 0, object)
    const before = await blobsHere()
    await Promise.all([send(envelope, 0, object), send(envelope, 0, object), send(envelope, 0, object)])
    expect(await blobsHere()).toBe(before + 1)
    expect((await clientFor(envelope).close(0)).arrived).toEqual([object.item.originId])
  })

  it('keeps nothing of an object that comes to its end after its batch was closed', async () => {
    const { envelope, verdicts } = approved(intoLured)
    await offer(envelope, verdicts)
    const client = clientFor(envelope)
    const { item: sent, head, ciphertext } = await real('in/large')
    items = [sent]
    await client.openBatch(0, items, await departure(envelope))
    const before = await blobsHere()
    const { promise: closed, resolve: release } = Promise.withResolvers<void>()
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield ciphertext.subarray(0, 1000)
      await closed
      yield ciphertext.subarray(1000)
    }
    const sending = sendOne(client, 0, head, slowly())
    const refused = expect(sending).rejects.toThrow(/the batch is closed/i)
    await new Promise(resolve => setTimeout(resolve, 200))
    expect((await client.close(0)).arrived).toEqual([])
    release()
    await refused
    expect(await blobsHere()).toBe(before)
  })

  it('answers a peer that is not the source of the instruction nothing at all', async () => {
    const { envelope, verdicts } = approved(intoLured)
    await offer(envelope, verdicts)
    const object = await real('in/one')
    await announce(envelope, 0, object)
    const proof = await departure(envelope)
    const { item: sent, head, ciphertext } = object
    const { door } = test.app.regions.get('sg-singapore' as RegionId)!
    const outsider = createPeerClient(door, peer, documentId(envelope) as InstructionId, {
      onSocket: () => {},
      onAnswer: () => {},
    })
    const asks: (() => Promise<unknown>)[] = [
      () => outsider.openBatch(0, [sent], proof),
      () => sendOne(outsider, 0, head, whole(ciphertext)),
      () => outsider.close(0),
      () => outsider.arrivalProof(0),
      () => outsider.challenge(0, [[sent.originId, 0, 10]]),
      () => outsider.end('failed', 'because'),
    ]
    for (const state of ['open', 'closed']) {
      for (const ask of asks) await expect(ask(), state).rejects.toThrow(/sg-singapore is not the source/)
      if (state === 'open') {
        await send(envelope, 0, object)
        await clientFor(envelope).close(0)
      }
    }
    const stranger = 'ab'.repeat(16)
    const asked = await clientFor(envelope).challenge(0, [
      [sent.originId, 0, 10],
      [stranger, 0, 10],
    ])
    expect(asked).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/), null])
  })
})

describe('what was refused above', () => {
  it('is in the books of both ends, as whose it was and by which rule', async () => {
    const refusals = async (region: string) =>
      (await booksOf(acme.credentials, region))
        .filter(({ type }) => type === 'refusal')
        .map(({ body }) => `${body.principal} ${body.rule} ${body.operation}`)
    const source = new Set(await refusals('in-mumbai'))
    const destination = new Set(await refusals('de-frankfurt'))
    for (const said of ['api bad-input instruct', 'api not-verified verdict'])
      expect([said, source.has(said)]).toEqual([said, true])
    for (const rule of [
      'instruction-not-approved',
      'instruction-out-of-scope',
      'instruction-over-limit',
      'instruction-expired',
      'instruction-revoked',
      'transfer-needs-an-instruction',
      'class-would-be-lost',
    ])
      expect([rule, destination.has(`region/in-mumbai ${rule} transfer`)]).toEqual([rule, true])
  })
})
