/** Webhooks that asked for it are told of what waits for somebody, each time once. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KnownInstruction } from '../../src/instructions/instruction-book.ts'
import { nextReminder } from '../../src/instructions/reminders.ts'
import { type Customer, startTestApp, type TestApp } from '../support/app.ts'
import { changeFields, order, setFields } from '../support/approvers.ts'
import { api, draft, instruct, instructionFields, say, verdict } from '../support/instructions.ts'

const hour = 3600e3

describe('what is told next', () => {
  const known = (state: string, kind: string, lifeMs: number): KnownInstruction =>
    ({
      instruction: { kind, notBeforeUnixMs: 0, expiresUnixMs: lifeMs },
      row: { state },
    }) as unknown as KnownInstruction
  const told = (event: string, atUnixMs: number) => ({ event, atUnixMs })
  it.each([
    ['a new draft', known('drafted', 'transfer', 100 * hour), null, hour, 'instruction.drafted'],
    [
      'a draft of today',
      known('drafted', 'transfer', 100 * hour),
      told('instruction.drafted', hour),
      2 * hour,
      null,
    ],
    [
      'a draft of yesterday',
      known('drafted', 'transfer', 100 * hour),
      told('instruction.drafted', hour),
      25 * hour,
      'instruction.waiting',
    ],
    [
      'one that ends soon',
      known('drafted', 'transfer', 100 * hour),
      told('instruction.waiting', 97 * hour),
      98.5 * hour,
      'instruction.expiring',
    ],
    [
      'one that ends soon, told before',
      known('drafted', 'transfer', 100 * hour),
      told('instruction.expiring', 98 * hour),
      99 * hour,
      null,
    ],
    [
      'a short one',
      known('drafted', 'transfer', hour),
      told('instruction.drafted', 0),
      0.95 * hour,
      'instruction.expiring',
    ],
    ['an approved transfer', known('approved', 'transfer', 100 * hour), null, hour, null],
    [
      'an approved change of approvers',
      known('approved', 'approvers', 200 * hour),
      told('instruction.drafted', 0),
      hour,
      'approvers.waiting',
    ],
    [
      'the same again',
      known('approved', 'approvers', 200 * hour),
      told('approvers.waiting', hour),
      2 * hour,
      null,
    ],
    [
      'what has ended',
      known('completed', 'approvers', 200 * hour),
      told('approvers.waiting', 0),
      90 * hour,
      null,
    ],
  ])('of %s', (_, instruction, before, now, event) => {
    expect(nextReminder(instruction, before, now)).toBe(event)
  })
})

describe('a webhook for instructions', () => {
  let test: TestApp
  let acme: Customer
  let server: Server
  const heard: any[] = []
  const others: any[] = []
  beforeAll(async () => {
    test = await startTestApp()
    acme = await test.customer('acme', 2, 2)
    await acme.s3('PUT', '/source')
    server = createServer((message, response) => {
      let body = ''
      message.on('data', chunk => {
        body += chunk
      })
      message.on('end', () => {
        ;(message.url === '/own' ? heard : others).push(JSON.parse(body))
        response.end()
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    for (const [name, instructions] of [
      ['own', true],
      ['objects', false],
    ] as const) {
      const url = `http://127.0.0.1:${port}/${name}`
      const body = { region: 'in-mumbai', name, url, instructions }
      expect((await api(acme, 'POST', '/webhooks', body)).status).toBe(201)
    }
  })
  afterAll(async () => {
    server?.close()
    await test?.[Symbol.asyncDispose]()
  })

  it('is told of a draft once, and of a change of the approvers while it can be stopped', async () => {
    await acme.s3(
      'PUT',
      '/target',
      '<CreateBucketConfiguration><LocationConstraint>de-frankfurt</LocationConstraint></CreateBucketConfiguration>',
    )
    const id = await instruct(acme, draft(instructionFields(acme)))
    const change = order(
      changeFields(acme.tenant, 1, acme.tenant, setFields({ approvers: acme.approvers, quorum: 1 })),
    )
    const changeId = await instruct(acme, change)
    const of = (instruction: string) => heard.filter(message => message.instruction === instruction)
    await expect.poll(() => of(id).map(({ event }) => event)).toEqual(['instruction.drafted'])
    // Before it is approved, or it would never be called a draft.
    await expect.poll(() => of(changeId).map(({ event }) => event)).toEqual(['instruction.drafted'])
    expect(of(id)[0]).toMatchObject({
      kind: 'transfer',
      approvals: 0,
      quorum: 2,
      region: 'in-mumbai',
      purpose: 'a test',
    })
    for (const key of acme.approvers) await say(acme, verdict('approved', change, acme.tenant, key), changeId)
    await expect
      .poll(() => of(changeId).map(({ event }) => event))
      .toEqual(['instruction.drafted', 'approvers.waiting'])
    expect(of(changeId)[1].inForce > of(changeId)[1].time).toBe(true)
    await test.restart()
    await new Promise(resolve => setTimeout(resolve, 6000))
    expect([of(id).length, of(changeId).length, others.length]).toEqual([1, 2, 0])
  })
})
