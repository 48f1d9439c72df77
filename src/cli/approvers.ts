/** `approvers`: who may sign for the tenant, as each region has it. `instruct approvers`: who shall from now on. */
import { readFileSync } from 'node:fs'
import { fromHex } from '../core/bytes.ts'
import { HoldfastError } from '../core/errors.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import type { ApproverRules, SetBody } from '../verify/approver-set.ts'
import { parseSetBody } from '../verify/approver-set.ts'
import { type Approver, parseApproverSet } from '../verify/approvers.ts'
import { approverId } from '../verify/key-id.ts'
import { fetchApproverSets, printSet } from './approver-set.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions } from './options.ts'
import { draftOf, order, ordererOf, orderOptions } from './order.ts'
import { readPolicyFile } from './policy/policy-file.ts'

export async function approversCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: { customer: { type: 'string' }, json: { type: 'boolean' } },
  })
  const sets = await fetchApproverSets(ordererOf(values, io))
  const isOne = new Set(sets.map(({ set }) => set.id)).size === 1
  if (values.json) {
    const regions = sets.map(({ region, set }) => ({
      region,
      id: set.id,
      number: set.number,
      ...printSet(set),
    }))
    io.stdout.write(`${JSON.stringify({ agree: isOne, regions })}\n`)
  } else {
    for (const { region, set } of isOne ? sets.slice(0, 1) : sets)
      io.stdout.write(
        `${isOne ? sets.map(each => each.region).join(', ') : region}\n${setText(set, set.number)}`,
      )
    if (!isOne)
      io.stdout.write('The regions are not at the same change: nothing goes between them until they are.\n')
  }
  return isOne ? 0 : 1
}

export function setText(set: SetBody, number: number): string {
  const { approvers, quorum, recovery, rules } = set
  const keys = (list: readonly Approver[]): string[] =>
    list.map(approver => `    ${approver.algorithm.padEnd(18)} ${approverId(approver, nodeVerifyCrypto)}`)
  const kinds = [...rules.quorums].map(([kind, n]) => `    ${kind}: ${n}`)
  return [
    `  change ${number}${number === 0 ? ' (the genesis)' : ''}: ${quorum} of ${approvers.length} approvers`,
    ...keys(approvers),
    ...(kinds.length === 0 ? [] : ['  it takes, by kind', ...kinds]),
    ...(rules.abroad === 0 ? [] : [`  abroad, at least ${rules.abroad}`]),
    ...(rules.separateDuties ? ['  whoever drafts is not enough as the only approver'] : []),
    ...(rules.drafters.length === 0 ? [] : ['  who may draft, too', ...keys(rules.drafters)]),
    ...(rules.keepsPolicy ? ['  the tenant’s own policy stays as it is'] : []),
    ...(rules.policy === null
      ? []
      : [
          '  the tenant’s own policy',
          ...rules.policy
            .trimEnd()
            .split('\n')
            .map(line => `    | ${line}`),
        ]),
    recovery.approvers.length === 0
      ? '  no recovery set'
      : `  recovery: ${recovery.quorum} of ${recovery.approvers.length}`,
    ...keys(recovery.approvers),
    '',
  ].join('\n')
}

export async function instructApproversCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values } = parseOptions({
    args: argv,
    options: {
      ...orderOptions,
      add: { type: 'string', multiple: true },
      remove: { type: 'string', multiple: true },
      quorum: { type: 'string' },
      'quorum-for': { type: 'string', multiple: true },
      abroad: { type: 'string' },
      'separate-duties': { type: 'string' },
      'add-drafter': { type: 'string', multiple: true },
      'remove-drafter': { type: 'string', multiple: true },
      'add-recovery': { type: 'string', multiple: true },
      'remove-recovery': { type: 'string', multiple: true },
      'recovery-quorum': { type: 'string' },
      'by-recovery': { type: 'boolean' },
      policy: { type: 'string' },
      'no-policy': { type: 'boolean' },
    },
  })
  const orderer = ordererOf(values, io)
  const sets = await fetchApproverSets(orderer)
  const [first] = sets
  if (first === undefined) throw new HoldfastError('not-found', 'the tenant has joined no region here')
  if (sets.some(({ set }) => set.id !== first.set.id))
    throw new HoldfastError(
      'conflict',
      'the regions are not at the same change of the approvers; wait until they are',
    )
  const before = first.set
  const approvers = changed(before.approvers, values.add, values.remove)
  const recovery = changed(before.recovery.approvers, values['add-recovery'], values['remove-recovery'])
  const quorums = new Map(before.rules.quorums)
  for (const text of values['quorum-for'] ?? []) {
    const [, kind, n] = /^([a-z-]+)=(\d+)$/.exec(text) ?? []
    if (kind === undefined || n === undefined)
      throw new UsageError('--quorum-for takes KIND=N; 0 for the quorum again')
    if (n === '0') quorums.delete(kind)
    else quorums.set(kind, Number(n))
  }
  const duties = values['separate-duties']
  if (duties !== undefined && duties !== 'on' && duties !== 'off')
    throw new UsageError('--separate-duties is on or off')
  const rules: ApproverRules = {
    quorums,
    abroad: number(values.abroad, '--abroad') ?? before.rules.abroad,
    separateDuties: duties === undefined ? before.rules.separateDuties : duties === 'on',
    drafters: changed(before.rules.drafters, values['add-drafter'], values['remove-drafter']),
    ...policyOf(before.rules.policy, values),
  }
  const body = printSet({
    approvers,
    quorum: number(values.quorum, '--quorum') ?? before.quorum,
    recovery: {
      approvers: recovery,
      quorum:
        number(values['recovery-quorum'], '--recovery-quorum') ??
        (recovery.length === 0 ? 0 : Math.max(1, before.recovery.quorum)),
    },
    rules,
  })
  const set = parseSetBody(body)
  if (typeof set === 'string') throw new UsageError(`that is no set of approvers: ${set}`)
  const draft = draftOf(
    orderer,
    values,
    {
      after: before.id,
      by: values['by-recovery'] ? 'recovery' : 'approvers',
      kind: 'approvers',
      ledger: first.ledger,
      number: before.number + 1,
      set: body,
    },
    '14d',
  )
  return order(orderer, draft, 'It changes nothing', values, io)
}

/** Left as it is, it is not said again: the chain of changes, which is an entry, need not hold it twice. */
function policyOf(
  before: string | null,
  values: { readonly policy?: string | undefined; readonly 'no-policy'?: boolean | undefined },
): Pick<ApproverRules, 'policy' | 'keepsPolicy'> {
  if (values.policy !== undefined && values['no-policy']) throw new UsageError('--policy or --no-policy')
  if (values.policy !== undefined) return { policy: readPolicyFile(values.policy) }
  if (values['no-policy'] || before === null) return { policy: null }
  return { policy: null, keepsPolicy: true }
}

/** By key id, or by enough of its beginning. */
function changed(
  list: readonly Approver[],
  add: readonly string[] = [],
  remove: readonly string[] = [],
): readonly Approver[] {
  const left = [...list]
  for (const name of remove) {
    const found = left.filter(approver => approverId(approver, nodeVerifyCrypto).startsWith(name))
    if (found.length !== 1 || name.length < 8)
      throw new UsageError(
        `${name} begins the key id of ${found.length} of the keys; give 8 digits or more of one`,
      )
    left.splice(left.indexOf(found[0]!), 1)
  }
  return [...left, ...add.map(readPublicKey)]
}

/** `ALGORITHM:HEX`, or a file with the JSON that `keygen --json` prints or that documents have. */
export function readPublicKey(text: string): Approver {
  const [, algorithm, publicKey] = /^([a-z0-9-]+):([0-9a-f]+)$/.exec(text) ?? []
  let fields: unknown
  if (algorithm !== undefined && fromHex(publicKey!) !== null) fields = { algorithm, publicKey }
  else {
    const { algorithm, publicKey, origins, rpId } = JSON.parse(readFileSync(text, 'utf8')) as Record<
      string,
      unknown
    >
    fields = { algorithm, publicKey, ...(rpId !== undefined && { origins, rpId }) }
  }
  const parsed = parseApproverSet([fields], 1)
  if (typeof parsed === 'string') throw new UsageError(`${text}: ${parsed}`)
  return parsed.approvers[0]!
}

function number(text: string | undefined, name: string): number | null {
  if (text === undefined) return null
  if (!/^\d{1,3}$/.test(text)) throw new UsageError(`${name} takes a number`)
  return Number(text)
}
