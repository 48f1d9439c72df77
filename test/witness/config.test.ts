import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { isRefusal } from '../../src/policy/authorized.ts'
import { decideOutbound } from '../../src/policy/decide.ts'
import { makeSigner } from '../support/ledger.ts'
import { makeCosigner, makeLog } from '../support/witness.ts'

const folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'holdfast.yaml')
const region =
  'regions: [{ id: in-mumbai, country: IN, operator: Acme, peer: { host: 10.0.0.1, port: 7000 } }]'
const { vkey } = makeCosigner('w.example/w')
const witness = { name: 'w', vkey, url: 'https://w.example/prefix', operator: 'Other' }
const load = (...witnesses: object[]) => {
  writeFileSync(path, `${region}\nwitnesses: ${JSON.stringify(witnesses)}\n`)
  return loadConfig(path, {})
}

describe('witnesses in the configuration', () => {
  it('are read, with a certificate from beside the file', () => {
    writeFileSync(join(folder, 'w.pem'), 'PEM')
    expect(load({ ...witness, country: 'CH', certificate: 'w.pem' }).witnesses).toMatchObject([
      { name: 'w', key: { name: 'w.example/w' }, country: 'CH', certificate: 'PEM' },
    ])
    expect(load().witnesses).toEqual([])
  })

  it.each<[string, object[]]>([
    ['runs a region too', [{ ...witness, operator: ' ACME' }]],
    ['is not one of a witness', [{ ...witness, vkey: makeLog(makeSigner()).vkey }]],
    ['is not one of a witness', [{ ...witness, vkey: 'x' }]],
    ['its name is there twice', [witness, { ...witness, vkey: makeCosigner('v.example').vkey }]],
    ['its key is there twice', [witness, { ...witness, name: 'v' }]],
    ['must be an http or https URL', [{ ...witness, url: 'ftp://w.example/' }]],
    ['must be an http or https URL', [{ ...witness, url: 'https://user:secret@w.example/' }]],
    ['there is no certificate', [{ ...witness, certificate: 'none.pem' }]],
    ['country code', [{ ...witness, country: 'Swiss' }]],
  ])('are refused: %s', (fault, witnesses) => {
    expect(() => load(...witnesses)).toThrow(fault)
  })
})

describe('the way to a witness', () => {
  const decide = (isPlain: boolean, isHere: boolean, registered = true) => {
    const decision = decideOutbound({
      action: 'outbound',
      purpose: 'witness',
      host: '192.0.2.1',
      port: 443,
      certificate: '',
      registered,
      instruction: null,
      witness: { name: 'w.example', isPlain, isHere },
    })
    return isRefusal(decision) ? decision.rule : null
  }

  it('may lead abroad, and without TLS no further than this machine', () => {
    expect(decide(false, false)).toBeNull()
    expect(decide(true, true)).toBeNull()
    expect(decide(true, false)).toBe('witness-takes-https')
    expect(decide(false, false, false)).toBe('outbound-not-registered')
  })
})
