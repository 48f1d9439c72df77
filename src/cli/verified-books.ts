import { join } from 'node:path'
import { HoldfastError } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { Book } from '../flows/reconcile/books.ts'
import type { StatementInput } from '../flows/report/report-types.ts'
import { verifyStatement } from '../verify/statement.ts'
import { parseTrust, type Trust } from '../verify/trust.ts'
import { readInputFile, textOf } from './input-file.ts'

/**
 * What statements hold. Every one must verify, or none is taken: books that may be made up say nothing. `trust`: what
 * they are checked against; empty, the customer's own.
 */
export async function verifiedBooks(
  options: { readonly statements: readonly string[]; readonly trust: readonly string[] },
  env: { readonly [name: string]: string | undefined },
): Promise<{ books: Book[]; statements: StatementInput[]; trusts: readonly Trust[] }> {
  if (options.statements.length === 0) return { books: [], statements: [], trusts: [] }
  const own = join(env.HOLDFAST_CUSTOMER ?? 'customer', 'trust.json')
  const trusts: Trust[] = []
  for (const path of options.trust.length === 0 ? [own] : options.trust) {
    const trust = parseTrust(textOf(path, (await readInputFile(path)).content), nodeVerifyCrypto)
    if (typeof trust === 'string') throw new HoldfastError('not-verified', `${path}: ${trust}`)
    trusts.push(trust)
  }
  const books: Book[] = []
  const statements: StatementInput[] = []
  for (const path of options.statements) {
    const { content, input } = await readInputFile(path)
    const verdicts = trusts.map(trust => verifyStatement(content, trust, nodeVerifyCrypto))
    // With several, the others say of it that it is another tenant's: the one that says most is of the right one.
    const verdict = verdicts.find(({ verified }) => verified) ?? closest(verdicts)
    if (!verdict.verified) {
      const reasons = verdict.failures.map(failure => `\n  ${failure}`).join('')
      throw new HoldfastError(
        'not-verified',
        `${path} does not verify, so nothing is concluded from it:${reasons}`,
      )
    }
    const { tenant, region, entries } = verdict
    books.push({ tenant, region, covers: [verdict.first, verdict.first + verdict.count], entries })
    statements.push({ ...input, tenant, region, entries: entries.length })
  }
  return { books, statements, trusts }
}

type Verdict = ReturnType<typeof verifyStatement>

function closest(verdicts: readonly Verdict[]): Verdict {
  const isOther = (verdict: Verdict): boolean =>
    !verdict.verified && verdict.failures.some(failure => failure.startsWith('the statement is of tenant'))
  return verdicts.find(verdict => !isOther(verdict)) ?? verdicts[0]!
}
