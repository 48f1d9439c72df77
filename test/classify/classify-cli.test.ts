import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../support/child.ts'
import { cardOf } from '../support/classify.ts'
import { type Holdfast, startHoldfast } from '../support/holdfast.ts'

const main = join(import.meta.dirname, '..', '..', 'src', 'main.ts')
const folder = mkdtempSync(join(tmpdir(), 'holdfast-classify-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content)
  return name
}
const classify = (...args: string[]) => run(process.execPath, [main, 'classify', ...args], { cwd: folder })

const cards = [1, 2, 3].map(each => cardOf(`41111111111${each}111`))
const people = ['jane.doe@example.org', 'john@example.org', 'ann@example.org']
/** What must never be printed. */
const secrets = [...cards, ...people, ...people.map(each => each.split('@')[0]!)]
const expectNoSecrets = (...texts: string[]): void => {
  for (const text of texts) for (const secret of secrets) expect(text).not.toContain(secret)
}

describe('holdfast classify on files', () => {
  it('suggests a class, says why and where, and prints none of what it found', async () => {
    const told = await classify(
      file('people.csv', people.join('\n')),
      file('cards.csv', `id,card\n${cards.join('\n')}\n`),
    )
    expect(told).toMatchObject({ code: 0, stderr: '' })
    expect(told.stdout).toMatch(/^SUGGESTS payment: card\n/)
    for (const words of [
      'payment card numbers: 3 distinct (payment)\n    3 in 1 place(s), the first: cards.csv, byte 8',
      'e-mail addresses: 3 distinct (personal)\n    3 in 1 place(s), the first: people.csv, byte 0',
      'looked into 2 whole, ',
      'holdfast instruct class --bucket BUCKET --class payment --purpose',
      'a suggestion and no fact',
      '3 distinct ones',
    ])
      expect(told.stdout).toContain(words)
    expectNoSecrets(told.stdout)
  })

  it('says the same for programs', async () => {
    const told = await classify('people.csv', 'cards.csv', '--json')
    expect(JSON.parse(told.stdout)).toMatchObject({
      suggestion: 'payment',
      because: ['card'],
      kinds: [
        {
          kind: 'card',
          speaksFor: 'payment',
          finds: 3,
          distinct: 3,
          first: { source: 'cards.csv', offset: 8 },
        },
        { kind: 'email', sources: 1, first: { source: 'people.csv', offset: 0 } },
      ],
      looked: { whole: 2, partly: 0, failed: 0, more: false },
      bucket: null,
      note: expect.stringContaining('no fact'),
    })
    expectNoSecrets(told.stdout)
  })

  it('suggests nothing from little, and says what was seen', async () => {
    const told = await classify(file('little.txt', `${people[0]} ${cards[0]} 4111111111111112`))
    expect(told.code).toBe(0)
    expect(told.stdout).toMatch(
      /^SUGGESTS NOTHING\n {2}payment card numbers: 1 distinct, and 1 of that shape with a wrong/,
    )
    expect(told.stdout).not.toContain('instruct class')
    expect((await classify(file('empty', ''))).stdout).toContain('nothing that it knows was seen')
  })

  it('reads standard input', async () => {
    const told = await run(process.execPath, [main, 'classify', '-'], { input: cards.join('\n') })
    expect(told).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the first: standard input, byte 0'),
    })
  })

  it('says what it has not looked into', async () => {
    const told = await classify(
      file('cards.gz', gzipSync(cards.join('\n'))),
      file('book.xlsx', Buffer.from('504b030414000600', 'hex')),
      file('long.txt', `${'x '.repeat(500)}${cards.join('\n')}`),
      file('short.txt', cards[0]!),
      ...['--max-bytes', '100'],
    )
    expect(told.code).toBe(0)
    expect(told.stdout).toContain(
      'looked into 1 whole, 1 partly (--max-bytes), 1 not looked into (gzip), 1 not looked into (zip, such as office documents), 116 bytes',
    )
    expect(told.stdout).toContain('payment card numbers: 1 distinct')
  })

  it('counts what is in a name, and shows the name without it', async () => {
    mkdirSync(join(folder, 'mail'))
    for (const each of people) file(`mail/${each}`, 'hello')
    const told = await classify(...people.map(each => `mail/${each}`), `mail/none-${people[0]}`)
    expect(told.code).toBe(1)
    expect(told.stdout).toContain('SUGGESTS personal: email')
    expect(told.stdout).toContain('in 4 place(s), the first: in the name mail/<email>')
    expectNoSecrets(told.stdout, told.stderr)
  })

  it('goes on after a file that it cannot read, and fails', async () => {
    const told = await classify('missing.csv', folder, 'cards.csv')
    expect(told.code).toBe(1)
    expect(told.stderr).toContain('missing.csv: ENOENT')
    expect(told.stderr).toContain('EISDIR')
    expect(told.stdout).toContain('SUGGESTS payment')
    expect(told.stdout).toContain('1 whole, 2 could not be read')
  })

  it('shows no control characters of a name', async () => {
    const told = await classify('a\u001b[31m', 'b\nSUGGESTS nothing')
    expect(told.stderr).not.toContain('\u001b')
    expect(told.stderr.trim().split('\n')).toHaveLength(2)
  })

  it.each<[string, string[]]>([
    ['nothing to look into', []],
    ['files and a bucket', ['cards.csv', '--bucket', 'b']],
    ['a prefix of no bucket', ['cards.csv', '--prefix', 'p']],
    ['objects of no bucket', ['cards.csv', '--max-objects', '1']],
    ['no number', ['cards.csv', '--max-bytes', 'many']],
    ['no bytes', ['cards.csv', '--max-bytes', '0']],
    ['an option that there is not', ['cards.csv', '--upload']],
  ])('with %s is wrong usage', async (_what, args) => {
    expect(await classify(...args)).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('usage: '),
    })
  })
})

describe('holdfast classify on a bucket', () => {
  let holdfast: Holdfast
  beforeAll(async () => {
    holdfast = await startHoldfast({ regions: [['in-mumbai', 'IN']] })
    await holdfast.s3.makeBucket('papers')
  })
  afterAll(() => holdfast?.[Symbol.asyncDispose]())

  it('suggests a class by all its objects, and how to give it that class', async () => {
    const { s3, cli } = holdfast
    // Each find in another object, under keys that a client may spoil: spaces, plus signs, percent signs, dots.
    const keys = ['cards/a b+c%20.csv', 'cards/x/../y.csv', 'cards/ü&<1>.csv']
    for (const [index, key] of keys.entries())
      await s3.put(`/papers/${key}`, `${'. '.repeat(100_000)}${cards[index]}`)
    await s3.put('/papers/notes/empty', '')
    await s3.put('/papers/notes/packed', gzipSync('hello'))
    const told = await cli('classify', '--bucket', 'papers')
    expect(told).toMatchObject({ code: 0, stderr: '' })
    for (const words of [
      'SUGGESTS payment: card\n',
      '3 in 3 place(s), the first: cards/a b+c%20.csv, byte 200000',
      'looked into 4 whole, 1 not looked into (gzip), 600048 bytes',
      'bucket papers is of the class personal, which is no kind of payment. To change it:\n' +
        '  holdfast instruct class --bucket papers --class payment --purpose …',
    ])
      expect(told.stdout).toContain(words)
    expectNoSecrets(told.stdout)

    // What it says is what works.
    const { bucket } = JSON.parse((await cli('classify', '--bucket', 'papers', '--json')).stdout)
    expect(bucket).toMatchObject({ name: 'papers', dataClass: 'personal', isBound: false, caution: null })
    const command = (bucket.command as string).replace(/^holdfast /, '').split(' ')
    const drafted = JSON.parse((await cli(...command, '--json')).stdout)
    const key = holdfast.credentials.approverKey
    expect((await cli('approve', drafted.id, '--key', key)).code).toBe(0)
    await expect
      .poll(async () => (await cli('classify', '--bucket', 'papers')).stdout, {
        interval: 500,
      })
      .toContain('bucket papers is of the class payment, which binds payment data already')
  })

  it('keeps to the prefix and the limits, and says what is left', async () => {
    const { cli } = holdfast
    const notes = await cli('classify', '--bucket', 'papers', '--prefix', 'notes/')
    expect(notes.stdout).toMatch(/^SUGGESTS NOTHING/)
    expect(notes.stdout).toContain('looked into 1 whole, 1 not')
    const two = await cli('classify', '--bucket', 'papers', '--max-objects', '2', '--max-bytes', '1000')
    expect(two.stdout).toContain('2 partly (--max-bytes), 2000 bytes, the bucket has more (--max-objects)')
    const all = await cli('classify', '--bucket', 'papers', '--max-objects', '5', '--max-bytes', '200016')
    expect(all.stdout).toContain('4 whole')
    expect(all.stdout).not.toContain('has more')
  })

  it('reads through all pages of the listing', async () => {
    const { s3, cli } = holdfast
    await s3.makeBucket('many')
    await Promise.all(Array.from({ length: 1005 }, (_, i) => s3.put(`/many/${people[i % 3]}/${i}`, '')))
    const told = await cli('classify', '--bucket', 'many', '--json')
    const { kinds, looked, suggestion } = JSON.parse(told.stdout)
    expect(looked).toMatchObject({ whole: 1005, more: false })
    expect(kinds).toMatchObject([
      { kind: 'email', distinct: 3, finds: 1005, sources: 1005, first: { offset: null } },
    ])
    expect(suggestion).toBe('personal')
    expectNoSecrets(told.stdout)
  })

  it('warns where the suggested class would lift the rules for the present one', async () => {
    const { s3, cli } = holdfast
    await s3.call('PUT', '/healthy', { headers: { 'x-holdfast-data-class': 'health' } })
    await s3.put('/healthy/cards', cards.join('\n'))
    const told = await cli('classify', '--bucket', 'healthy')
    expect(told.stdout).toContain(
      'payment is no kind of health: the rules for health would no longer bind it',
    )
  })

  it('goes on after an object that it cannot read, and fails', async () => {
    const { s3, cli } = holdfast
    await s3.makeBucket('locked')
    await s3.put('/locked/a', 'x')
    const deny = { Effect: 'Deny', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::locked/a' }
    const body = JSON.stringify({ Version: '2012-10-17', Statement: [deny] })
    expect((await s3.call('PUT', '/locked', { query: { policy: '' }, body })).status).toBe(204)
    await s3.put('/locked/b', cards.join('\n'))
    const told = await cli('classify', '--bucket', 'locked')
    expect(told.code).toBe(1)
    expect(told.stderr).toContain('holdfast classify: a: AccessDenied')
    expect(told.stdout).toContain('1 whole, 1 could not be read')
    expect(told.stdout).toContain('SUGGESTS payment')
  })

  it('fails for a bucket that there is not, and when nobody answers', async () => {
    const { cli } = holdfast
    expect(await cli('classify', '--bucket', 'nosuch')).toMatchObject({ code: 1, stdout: '' })
    await holdfast.server.stop()
    expect(await cli('classify', '--bucket', 'papers')).toMatchObject({ code: 1, stdout: '' })
  })
})
