import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findCosignature } from '../../src/verify/cosignature.ts'
import { parseNote } from '../../src/verify/note.ts'
import { parseTypedVerifierKey } from '../../src/verify/verifier-key.ts'
import { crypto, makeSigner } from '../support/ledger.ts'
import { createWitnessProcess, makeLog, type WitnessProcess } from '../support/witness.ts'

const signers = Array.from({ length: 12 }, (_, i) => makeSigner(`log${i}.example/log/in-mumbai`))
let next = 0
/** A log that the witness knows and has seen nothing of. */
const freshLog = () => {
  const signer = signers[next++]!
  return { signer, ...makeLog(signer) }
}

describe('holdfast witness', () => {
  let witness: WitnessProcess
  beforeAll(async () => {
    witness = await createWitnessProcess('witness.example/w1', () =>
      signers.map(signer => makeLog(signer).vkey),
    )
    await witness.start()
  })
  afterAll(() => witness[Symbol.asyncDispose]())
  const timeOf = (note: string, line: string): number => {
    const key = parseTypedVerifierKey(witness.vkey, crypto)!
    const found = findCosignature(parseNote(note + line)!, key, crypto, Date.now())
    if (found.state !== 'holds') throw new Error(found.why)
    return found.timeUnixS
  }

  it('cosigns what continues what it has seen, and nothing else', async () => {
    const log = freshLog()
    const first = await witness.add(log.request(0, 3))
    expect(first).toMatchObject({ status: 200 })
    expect(Math.abs(timeOf(log.note(3), first.text) - Date.now() / 1000)).toBeLessThan(60)
    expect(await witness.add(log.request(3, 10))).toMatchObject({ status: 200 })
    expect(await witness.add(log.request(10, 10))).toMatchObject({ status: 200 })
    expect(await witness.add(log.request(3, 12))).toEqual({
      status: 409,
      type: 'text/x.tlog.size',
      text: '10\n',
    })
    expect(await witness.add(log.request(0, 12))).toMatchObject({ status: 409, text: '10\n' })
    const other = makeLog(log.signer, 'other')
    expect(await witness.add(other.request(10, 10))).toMatchObject({ status: 409, text: '10\n' })
    expect(await witness.add(other.request(10, 12))).toMatchObject({ status: 422 })
    expect(await witness.add(log.request(3, 10))).toMatchObject({ status: 409 })
    const withProof = `old 10\n${log.proof(3, 10)[0]}\n\n${log.note(10)}`
    expect(await witness.add(withProof)).toMatchObject({ status: 422 })
    expect(await witness.add(log.request(10, 300))).toMatchObject({ status: 200 })
  })

  it('answers each fault with its status', async () => {
    const log = freshLog()
    const note = log.note(5)
    const stranger = makeLog(makeSigner('unknown.example/log'))
    const impostor = makeLog(makeSigner(log.signer.name))
    expect(await witness.add(stranger.request(0, 5))).toMatchObject({ status: 404 })
    expect(await witness.add(impostor.request(0, 5))).toMatchObject({ status: 403 })
    expect(await witness.add(`old 6\n\n${note}`)).toMatchObject({ status: 400 })
    const hash = log.proof(1, 5)[0]!
    expect(await witness.add(`old 0\n${hash}\n\n${note}`)).toMatchObject({ status: 422 })
    const bodies = [
      '',
      'old 0\n',
      `old 0\n${note}`,
      `old 00\n\n${note}`,
      `old -1\n\n${note}`,
      `old  0\n\n${note}`,
      `Old 0\n\n${note}`,
      `old 0 \n\n${note}`,
      `old 18446744073709551616\n\n${note}`,
      `old 0\r\n\r\n${note}`,
      `old 0\nnot base64!\n\n${note}`,
      `old 0\nAAAA\n\n${note}`,
      `old 0\n\n${note.slice(0, -1)}`,
      `old 0\n\n${note.split('\n\n')[0]}\n`,
      `old 0\n\nhello\n\n\u2014 a ${Buffer.alloc(68).toString('base64')}\n`,
      `old 0\n${`${hash}\n`.repeat(64)}\n${note}`,
      `old 0\n\n${note}${'x'.repeat(200_000)}`,
    ]
    for (const body of bodies)
      expect([body.slice(0, 30), (await witness.add(body)).status]).toEqual([body.slice(0, 30), 400])
    expect((await witness.add(Buffer.from([0x6f, 0xff, 0x0a, 0x0a]))).status).toBe(400)
    // 63 lines are allowed, and simply prove nothing here.
    expect((await witness.add(`old 0\n${`${hash}\n`.repeat(63)}\n${note}`)).status).toBe(422)
    // Nothing of all that was remembered.
    expect(await witness.add(log.request(0, 5))).toMatchObject({ status: 200 })
  })

  it('rejects a note whose signature by the log is false, also beside a true one', async () => {
    const log = freshLog()
    const forged = log.note(4).split('\n').slice(-2)[0]!
    expect(await witness.add(`old 0\n\n${log.note(5)}${forged}\n`)).toMatchObject({ status: 403 })
    const elses = `\u2014 someone.else ${Buffer.alloc(68, 7).toString('base64')}\n`
    expect(await witness.add(`old 0\n\n${log.note(5)}${elses}`)).toMatchObject({ status: 200 })
  })

  it('keeps one line of the log, however often somebody repeats it', async () => {
    const log = freshLog()
    const [text, line] = log.note(4).split('\n\n') as [string, string]
    expect(await witness.add(`old 0\n\n${text}\n\n${line.repeat(64)}`)).toMatchObject({ status: 200 })
    expect(await witness.add(log.request(4, 5))).toMatchObject({ status: 200 })
    expect((await fetch(`${witness.url}/`)).status).toBe(200)
  })

  it('takes an empty log, and only with the root of the empty tree', async () => {
    const log = freshLog()
    expect(await witness.add(log.request(0, 0))).toMatchObject({ status: 200 })
    expect(await witness.add(log.request(0, 7))).toMatchObject({ status: 200 })
  })

  it('cosigns one of two histories that come at the same time', async () => {
    const log = freshLog()
    expect(await witness.add(log.request(0, 2))).toMatchObject({ status: 200 })
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => witness.add(log.request(2, 3 + (i % 20)))),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    for (const { status } of answers) expect([200, 409]).toContain(status)
    const fresh = freshLog()
    const fork = makeLog(fresh.signer, 'other')
    const raced = await Promise.all(
      Array.from({ length: 40 }, (_, i) => witness.add((i % 2 === 0 ? fresh : fork).request(0, 5))),
    )
    expect(raced.filter(({ status }) => status === 200)).toHaveLength(1)
  })

  it('says who it is and what it has seen, for whoever compares', async () => {
    const log = freshLog()
    await witness.add(log.request(0, 9))
    const about = (await (await fetch(`${witness.url}/`)).json()) as {
      name: string
      vkey: string
      logs: { origin: string; size: number; checkpoint: string }[]
    }
    expect(about).toMatchObject({ name: witness.name, vkey: witness.vkey })
    const listed = about.logs.find(({ origin }) => origin === log.signer.name)!
    expect(listed.size).toBe(9)
    const hash = createHash('sha256').update(log.signer.name).digest('hex')
    expect(listed.checkpoint).toBe(`/${hash}/checkpoint`)
    const note = await (await fetch(witness.url + listed.checkpoint)).text()
    expect(note.startsWith(log.note(9))).toBe(true)
    expect(timeOf(note, '')).toBeGreaterThan(0)
    expect((await fetch(`${witness.url}/${'0'.repeat(64)}/checkpoint`)).status).toBe(404)
    expect((await fetch(`${witness.url}/add-checkpoint`)).status).toBe(405)
  })

  it('forgets nothing that it cosigned, whenever it is killed', async () => {
    const log = freshLog()
    let sure = 0
    for (let round = 0; round < 6; round++) {
      let size = sure
      const killed = new Promise<void>(resolve => setTimeout(resolve, 5 + round * 7)).then(() =>
        witness.kill(),
      )
      for (;;) {
        const answer = await witness.add(log.request(size, size + 1)).catch(() => null)
        if (answer === null) break
        if (answer.status === 409) size = Number(answer.text)
        else if (answer.status === 200) sure = ++size
      }
      await killed
      await witness.start()
      const said = await witness.add(log.request(0, size + 5))
      if (sure > 0) expect(said.status).toBe(409)
      if (said.status === 409) expect(Number(said.text)).toBeGreaterThanOrEqual(sure)
      sure = said.status === 409 ? Number(said.text) : size + 5
    }
    expect(sure).toBeGreaterThan(0)
  })
})
