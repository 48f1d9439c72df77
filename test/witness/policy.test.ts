import { describe, expect, it } from 'vitest'
import { printCosignature } from '../../src/verify/cosignature.ts'
import { singleKey } from '../../src/verify/log-keys.ts'
import { parseNote } from '../../src/verify/note.ts'
import { quorumVerdict } from '../../src/verify/quorum.ts'
import { parsePolicy, type TlogPolicy } from '../../src/verify/tlog-policy.ts'
import { parseVerifierKey, printVerifierKey } from '../../src/verify/verifier-key.ts'
import { crypto, makeSigner } from '../support/ledger.ts'
import { makeCosigner, makeLog } from '../support/witness.ts'

const now = Date.UTC(2026, 0, 2)
const seconds = now / 1000
const signer = makeSigner('log.example/log/in-mumbai')
const log = makeLog(signer)
const [x, y, z] = ['x.example/w', 'y.example/w', 'z.example/w'].map(makeCosigner) as [
  ReturnType<typeof makeCosigner>,
  ReturnType<typeof makeCosigner>,
  ReturnType<typeof makeCosigner>,
]
const three = `witness X ${x.vkey}\nwitness Y ${y.vkey} https://y.example/\nwitness Z ${z.vkey}\n`
const parse = (text: string | Buffer) => parsePolicy(Buffer.from(text), crypto)

describe('a policy', () => {
  it('is read with comments, blanks, tabs, groups of groups and URLs', () => {
    const text = `# ours\n\n \t # indented\nlog ${log.vkey} https://log.example/\n${three}\tgroup\tG  2 X \t Y \ngroup H all G Z\nquorum H \n`
    expect(parse(text)).toMatchObject({
      logs: [{ name: 'log.example/log/in-mumbai' }],
      quorum: { kind: 'group', threshold: 2, members: [{ threshold: 2 }, { name: 'Z' }] },
    })
    expect(parse('quorum none\n')).toMatchObject({ logs: [], witnesses: [], quorum: { kind: 'none' } })
  })

  const other = printVerifierKey('other.example/w', x.publicKey, crypto, 'cosignature-ed25519')
  const otherLog = printVerifierKey('b', signer.publicKey, crypto)
  it.each<[string, string]>([
    ['', 'no quorum line'],
    ['quorum none', 'line 1: it does not end in a newline'],
    ['quorum none\nquorum none\n', 'line 2: a second quorum'],
    ['quorum\n', 'line 1: a quorum has one name'],
    ['quorum none none\n', 'line 1: a quorum has one name'],
    ['quorum X\n', 'line 1: “X” is not defined'],
    [`quorum X\n${three}`, 'line 1: “X” is not defined'],
    [`${three}group G all X X\nquorum G\n`, 'line 4: “X” is a member already'],
    [`${three}group G all X\ngroup H any X Y\nquorum H\n`, 'line 5: “X” is a member already'],
    [`${three}group G 0 X\n`, 'line 4: “0” is none of'],
    [`${three}group G 3 X Y\n`, 'line 4: “3” is none of'],
    [`${three}group G 1e0 X Y\n`, 'line 4: “1e0” is none of'],
    [`${three}group G -1 X Y\n`, 'line 4: “-1” is none of'],
    [`${three}group G all\n`, 'line 4: a group has'],
    [`${three}group G all none\n`, 'line 4: “none” is not defined'],
    [`${three}group none all X\n`, 'line 4: “none” is not to be defined'],
    [`${three}group X all Y\n`, 'line 4: “X” is defined on a line before'],
    [`${three}group G all G\n`, 'line 4: “G” is not defined'],
    [`${three}witness X ${makeCosigner('q.example').vkey}\n`, 'line 4: “X” is defined'],
    [`${three}witness W ${other}\n`, 'line 4: the same public key is a witness'],
    [`witness W ${log.vkey}\n`, 'line 1: that is no vkey of a witness'],
    [`witness W ${x.vkey.slice(0, -1)}\n`, 'line 1: that is no vkey of a witness'],
    [`witness W\n`, 'line 1: a witness has'],
    [`witness W ${x.vkey} a b\n`, 'line 1: a witness has'],
    [`log ${log.vkey}\nlog ${otherLog}\n`, 'line 2: the same public key is a log'],
    ['log nothing\n', 'line 1: that is no vkey of a log'],
    ['Quorum none\n', 'line 1: “Quorum” is none of'],
    ['toString a\n', 'line 1: “toString” is none of'],
    ['quorum none # all\n', 'line 1: a quorum has one name'],
    ['quorum none\r\n', 'line 1: the octet 0x0d is not allowed'],
    ['# \u0000\nquorum none\n', 'line 1: the octet 0x00 is not allowed'],
    ['#\u007f\nquorum none\n', 'line 1: the octet 0x7f is not allowed'],
  ])('is refused: %j', (text, fault) => {
    expect(parse(text)).toContain(fault)
  })

  it('compares names as octets, whatever they mean', () => {
    const latin = Buffer.concat([
      Buffer.from(
        `# \xff\nwitness \xe2\x84\xaa ${x.vkey}\nwitness K ${y.vkey}\nwitness \xff ${z.vkey}\n`,
        'latin1',
      ),
      Buffer.from('quorum \xff\n', 'latin1'),
    ])
    expect(parse(latin)).toMatchObject({ quorum: { key: { name: 'z.example/w' } } })
  })

  it('may have 32 of each and more, and not without end', () => {
    const many = (count: number): string =>
      Array.from({ length: count }, (_, i) => {
        const own = makeLog(makeSigner(`l${i}`)).vkey
        return `log ${own}\nwitness w${i} ${makeCosigner(`w${i}`).vkey}\ngroup g${i} any w${i}\n`
      }).join('')
    expect(parse(`${many(40)}quorum g39\n`)).toMatchObject({ quorum: { name: 'g39' } })
    expect(parse(`${many(257)}quorum g1\n`)).toContain('more than 256 logs')
    expect(parse(`#${'x'.repeat(1 << 20)}\nquorum none\n`)).toContain('longer than')
  })
})

describe('a quorum', () => {
  const policy = (rules: string): TlogPolicy => {
    const parsed = parse(`log ${log.vkey}\n${three}${rules}`)
    if (typeof parsed === 'string') throw new Error(parsed)
    return parsed
  }
  const keys = singleKey(parseVerifierKey(log.vkey, crypto)!)
  const plain = log.note(5)
  const { text } = parseNote(plain)!
  const by = (...who: [ReturnType<typeof makeCosigner>, number][]) =>
    parseNote(plain + who.map(([cosigner, ago]) => printCosignature(text, seconds - ago, cosigner)).join(''))!
  const judge = (rules: string, note = parseNote(plain)!) =>
    quorumVerdict(policy(rules), note, keys, crypto, now)

  it('is met by who has cosigned, as of the time at which enough had', () => {
    const note = by([x, 10], [y, 20], [z, 30])
    const at = (rules: string) => {
      const verdict = judge(rules, note)
      return verdict.met ? seconds - verdict.witnessedUnixS! : null
    }
    expect(at('quorum Z\n')).toBe(30)
    expect(at('group G any X Y Z\nquorum G\n')).toBe(10)
    expect(at('group G 2 X Y Z\nquorum G\n')).toBe(20)
    expect(at('group G all X Y Z\nquorum G\n')).toBe(30)
    expect(at('group G any Y Z\ngroup H all X G\nquorum H\n')).toBe(20)
    expect(judge('quorum X\n', note)).toMatchObject({ witnessedBy: ['X', 'Y', 'Z'] })
  })

  it('that is not met names who is missing', () => {
    expect(judge('group G all X Y\nquorum G\n', by([x, 1]))).toEqual({
      met: false,
      failures: [
        'the quorum “G” is not met',
        'witness Y is missing: no cosignature by y.example/w',
        'witness Z is missing: no cosignature by z.example/w',
      ],
    })
  })

  it('counts no cosignature from the future, and rejects a note with a false one', () => {
    expect(judge('quorum X\n', by([x, -400]))).toMatchObject({
      met: false,
      failures: expect.arrayContaining([expect.stringContaining('in the future')]),
    })
    const wrong = parseNote(plain + printCosignature(parseNote(log.note(4))!.text, seconds, y))!
    const both = parseNote(
      plain +
        printCosignature(text, seconds, x) +
        printCosignature(`${parseNote(log.note(4))!.text}`, seconds, y),
    )!
    expect(judge('quorum X\n', wrong).met).toBe(false)
    expect(judge('quorum X\n', both)).toEqual({
      met: false,
      failures: ['the cosignature by y.example/w does not hold'],
    })
  })

  it('of a policy for other logs is none', () => {
    const other = parse(`log ${makeLog(makeSigner('b.example/log/x')).vkey}\nquorum none\n`) as TlogPolicy
    expect(quorumVerdict(other, parseNote(plain)!, keys, crypto, now)).toMatchObject({ met: false })
    const twin = parse(`log ${makeLog(makeSigner(signer.name)).vkey}\nquorum none\n`) as TlogPolicy
    expect(quorumVerdict(twin, parseNote(plain)!, keys, crypto, now)).toMatchObject({ met: false })
    expect(judge('quorum none\n')).toMatchObject({ met: true, witnessedUnixS: null })
  })

  it.each(['log.example/witness', 'LOG.example:9000/w', 'log.example./w'])(
    'counts nothing by a witness at the log’s own host: %s',
    name => {
      const own = makeCosigner(name)
      const parsed = parse(`witness O ${own.vkey}\nquorum O\n`) as TlogPolicy
      const note = parseNote(plain + printCosignature(text, seconds, own))!
      expect(quorumVerdict(parsed, note, keys, crypto, now)).toMatchObject({
        met: false,
        failures: expect.arrayContaining([expect.stringContaining('counts for nothing')]),
      })
    },
  )

  it('counts nothing by the key of a log, whatever it is called', () => {
    const own = printVerifierKey('elsewhere.example/w', signer.publicKey, crypto, 'cosignature-ed25519')
    const parsed = parse(`witness O ${own}\nquorum O\n`) as TlogPolicy
    expect(quorumVerdict(parsed, parseNote(plain)!, keys, crypto, now)).toMatchObject({
      met: false,
      failures: expect.arrayContaining([expect.stringContaining('its key is the key of a log')]),
    })
  })
})
