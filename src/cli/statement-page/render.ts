/** From a statement's file to its page: verified first, because a page must not say of a statement what it is not. */
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { toHex } from '../../core/bytes.ts'
import { HoldfastError } from '../../core/errors.ts'
import { nodeVerifyCrypto } from '../../crypto/node-verify-crypto.ts'
import { type CheckedRow, checkStatement } from '../../verify/statement.ts'
import { parseTrust } from '../../verify/trust.ts'
import { openAccount } from './account.ts'
import { maxPageRows, statementPage } from './page.ts'

/** `not-verified`, with every fault, for a statement that does not hold. */
export async function renderStatement(file: string, trustFile: string): Promise<string> {
  if (!existsSync(trustFile)) throw new HoldfastError('not-found', `there is no trust file at ${trustFile}`)
  const trust = parseTrust(readFileSync(trustFile, 'utf8'), nodeVerifyCrypto)
  if (typeof trust === 'string') throw new HoldfastError('not-verified', `${trustFile}: ${trust}`)
  const account = openAccount()
  let rows: CheckedRow[] = []
  const check = checkStatement(trust, nodeVerifyCrypto, row => {
    if (row.payload !== null) account.take(row.payload)
    rows.push(row)
    if (rows.length >= 2 * maxPageRows) rows = rows.slice(-maxPageRows)
  })
  const digest = createHash('sha256')
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    digest.update(chunk)
    check.push(chunk)
  }
  const facts = check.end()
  if (!facts.verified)
    throw new HoldfastError(
      'not-verified',
      `${file} does not verify, so it is not rendered:\n${facts.failures.map(fault => `  ✖ ${fault}`).join('\n')}`,
    )
  const { log, country } = trust.regions.get(facts.region)!
  return statementPage({
    facts,
    name: trust.genesis.name,
    country,
    logKey: `${log.current.name}+${toHex(log.current.keyId)}`,
    account,
    rows: rows.slice(-maxPageRows),
    file: basename(file),
    sha256: digest.digest('hex'),
  })
}
