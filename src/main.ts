/** The command line: a table of commands, each loaded when it is called. */
import { enableCompileCache } from 'node:module'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { type CommandIo, type ExitCode, UsageError } from './cli/io.ts'
import { HoldfastError, messageOf } from './core/errors.ts'
import { plain, plainLines } from './core/plain-text.ts'

// Where the code itself is, and not in a folder for temporary files, into which anybody could put something to be run.
enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'compile'))

// Threads that use WebAssembly side by side (Cedar, for one) make V8 13.6 abort when it frees a wrapper that it tiers up
// (`WasmImportWrapperCache::Free`): no wrapper is called often enough for that, and decisions are no slower.
setFlagsFromString('--wasm-wrapper-tiering-budget=1000000000')

interface Command {
  readonly usage: string
  /** It prints a longer text of its own at `--help`. */
  readonly helps?: true
  readonly load: () => Promise<(argv: string[], io: CommandIo) => Promise<ExitCode | number>>
}

const commands: Readonly<Record<string, Command>> = {
  start: { usage: 'holdfast start', load: async () => (await import('./start.ts')).startCommand },
  serve: {
    usage: 'holdfast serve [--config holdfast.yaml]',
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  keyholder: {
    usage: 'holdfast keyholder [--customer DIR]',
    load: async () => (await import('./cli/keyholder.ts')).keyholderCommand,
  },
  tenant: {
    usage:
      'holdfast tenant create --name NAME --home REGION [--customer DIR] [--approvers N --quorum K] [--abroad N]\n' +
      '                        [--recovery KEY… --recovery-quorum K] [--policy FILE]\n' +
      '                              [--user-id ID] [--account-id ID] [--display-name NAME] [--email ADDRESS]\n' +
      '                              [--access-key KEY --secret-key SECRET] [--user NAME] [--classic-buckets]\n' +
      '       holdfast tenant join --api URL [--endpoint URL] --operator-token FILE --customer DIR --site NAME\n' +
      '       holdfast tenant list',
    load: async () => (await import('./cli/tenant.ts')).tenantCommand,
  },
  region: {
    usage:
      'holdfast region show [--region R] [--config holdfast.yaml] [--json]\n' +
      '       holdfast region statement --region R -o s.json --trust own-trust.json [--api URL] [--vkey VKEY]',
    load: async () => (await import('./region-command.ts')).regionCommand,
  },
  user: {
    usage:
      'holdfast user create --name NAME [--user-id ID] [--display-name NAME] [--email ADDRESS] [--path /P/]\n' +
      '                            [--admin | --policy FILE] [--access-key KEY --secret-key SECRET] [--tenant NAME | --customer DIR]\n' +
      '       holdfast user list|delete …',
    load: async () => (await import('./cli/user.ts')).userCommand,
  },
  key: {
    usage:
      'holdfast key create|rotate|list|disable|enable|delete [KEY] [--user NAME] [--tenant NAME | --customer DIR]',
    load: async () => (await import('./cli/key.ts')).keyCommand,
  },
  quota: {
    usage:
      'holdfast quota set --tenant TENANT [--bucket BUCKET] --objects N|none --bytes N|none\n' +
      '       holdfast quota show --tenant TENANT',
    load: async () => (await import('./cli/quota.ts')).quotaCommand,
  },
  webhook: {
    usage:
      'holdfast webhook create --name NAME --url URL [--certificate FILE] [--instructions] [--region REGION]\n' +
      '                        [--tenant NAME | --customer DIR]\n' +
      '       holdfast webhook list|delete …',
    load: async () => (await import('./cli/webhook.ts')).webhookCommand,
  },
  keygen: {
    usage: 'holdfast keygen -o approver.key [--algorithm ed25519|ecdsa-p256-sha256|rsa-pss-sha256]',
    load: async () => (await import('./cli/keygen.ts')).keygenCommand,
  },
  instruct: {
    usage:
      'holdfast instruct transfer --bucket b [--prefix p] --to-bucket b2 [--to-region R] --mode copy|move --purpose TEXT [--expires 24h]\n' +
      '                                   [--versions current|all] [--list DIGEST] [--max-objects N] [--max-bytes N]\n' +
      '                                   [--mechanism NAME[: TEXT],…] [--dry-run]\n' +
      '       holdfast instruct erase --region R (--entry ID … | --bucket B [--key K | --prefix P]) --purpose TEXT\n' +
      '                               [--expires 24h] [--dry-run]\n' +
      '       holdfast instruct standing-transfer --bucket b [--prefix p] --to-bucket b2 --purpose TEXT --expires 90d …\n' +
      '       holdfast instruct class --bucket b [--prefix p] --class CLASS --purpose TEXT\n' +
      '       holdfast instruct residency --bucket b --regions R,R…|any --purpose TEXT\n' +
      '       holdfast instruct key --bucket b --act rotate|shred --purpose TEXT\n' +
      '       holdfast instruct approvers [--add KEY]… [--remove KEYID]… [--quorum N] [--quorum-for KIND=N]… [--abroad N]\n' +
      '                                   [--separate-duties on|off] [--add-drafter KEY]… [--remove-drafter KEYID]…\n' +
      '                                   [--add-recovery KEY]… [--remove-recovery KEYID]… [--recovery-quorum N]\n' +
      '                                   [--policy FILE | --no-policy] [--by-recovery] --purpose TEXT [--expires 14d]\n' +
      '       holdfast instruct access --bucket b [--prefix p] --action A … --operator NAME --country CC --ticket N\n' +
      '                                [--mechanism NAME[: TEXT],…] --purpose TEXT [--expires 1h]\n' +
      '       holdfast instruct disclose --bucket b [--prefix p] --recipient NAME --country CC --basis TEXT [--case N]\n' +
      '                                  [--form ciphertext|plaintext] --max-objects N --max-bytes N [--mechanism NAME[: TEXT],…]\n' +
      '                                  --purpose TEXT\n' +
      '       holdfast instruct [KIND] --template NAME|FILE …        holdfast instruct templates\n' +
      '       every kind: [--expires 24h] [--drafter KEY] [--customer DIR] [--json]',
    load: async () => (await import('./cli/instruct.ts')).instructCommand,
  },
  policy: {
    usage:
      'holdfast policy explain --from CC --to CC --class CLASS [--action transfer|disclose|access] [--mode copy|move] [--mechanism M …]\n' +
      '                        [--capacity C …|none] [--operator CC] [--persons N] [--at DAY|TIME] [--packs DIR]\n' +
      '                        [--tenant-policy FILE [--by tenant|approver:ID|drafter:ID] [--bucket B] [--to-bucket B] [--prefix P]\n' +
      '                         [--from-region R] [--to-region R] [--purpose TEXT] [--max-objects N] [--max-bytes N] [--standing]\n' +
      '                         [--versions current|all] [--recipient NAME] [--form ciphertext|plaintext] [--access-action A …]]\n' +
      '       holdfast policy test CASES.yaml [--packs DIR] [--tenant-policy FILE]\n' +
      '       holdfast policy rules [--packs DIR]',
    load: async () => (await import('./cli/policy/command.ts')).policyCommand,
  },
  packs: {
    usage: 'holdfast packs compare --packs NEWDIR [--to CC,CC…] [--config holdfast.yaml] [--json]',
    load: async () => (await import('./packs-command.ts')).packsCommand,
  },
  classify: {
    usage:
      'holdfast classify FILE…|- [--max-bytes N] [--json]\n' +
      '       holdfast classify --bucket B [--prefix P] [--max-bytes N] [--max-objects N] [--customer DIR] [--json]',
    load: async () => (await import('./cli/classify/command.ts')).classifyCommand,
  },
  approve: {
    usage:
      'holdfast approve ID --key approver.key [--delegation FILE] [--reason TEXT]\n' +
      '       holdfast approve ID --signature FILE --request request.json',
    load: async () => (await import('./cli/verdict.ts')).approveCommand,
  },
  reject: {
    usage: 'holdfast reject ID --key approver.key [--reason TEXT]',
    load: async () => (await import('./cli/verdict.ts')).rejectCommand,
  },
  revoke: {
    usage: 'holdfast revoke ID --key approver.key [--reason TEXT]',
    load: async () => (await import('./cli/verdict.ts')).revokeCommand,
  },
  'sign-request': {
    usage:
      'holdfast sign-request ID --as approve|reject|revoke --approver KEYID [--delegation FILE] [--reason TEXT] -o request.json',
    load: async () => (await import('./cli/verdict.ts')).signRequestCommand,
  },
  approvers: {
    usage: 'holdfast approvers [--customer DIR] [--json]',
    load: async () => (await import('./cli/approvers.ts')).approversCommand,
  },
  delegate: {
    usage:
      'holdfast delegate --key approver.key --to KEY [--for 7d] [--kind KIND]… [--reason TEXT] -o delegation.json\n' +
      '       holdfast delegate withdraw ID|delegation.json --key approver.key [--reason TEXT]',
    load: async () => (await import('./cli/delegate.ts')).delegateCommand,
  },
  instructions: {
    usage: 'holdfast instructions [ID]',
    load: async () => (await import('./cli/instruct.ts')).instructionsCommand,
  },
  transfers: {
    usage: 'holdfast transfers [ID] [--follow] | pause|resume ID | limit ID --bytes-per-second N|none',
    load: async () => (await import('./cli/transfers.ts')).transfersCommand,
  },
  receipt: {
    usage: 'holdfast receipt ENTRY -o r.txt [--witnessed]',
    load: async () => (await import('./cli/receipt.ts')).receiptCommand,
  },
  statement: {
    usage:
      'holdfast statement --region R -o s.json [--from N] [--to N] [--new] [--html s.html]\n' +
      '       holdfast statement --in s.json --html s.html',
    load: async () => (await import('./cli/statement.ts')).statementCommand,
  },
  verify: {
    usage:
      'holdfast verify FILE… [--trust trust.json] [--policy policy.txt] [--journal journal.jsonl]\n' +
      '                       [--signer VKEY] [--page verify.html]',
    load: async () => (await import('./cli/verify.ts')).verifyCommand,
  },
  witness: {
    usage:
      'holdfast witness --key witness.key --name NAME --listen HOST:PORT --data DIR --log VKEY … | --logs FILE\n' +
      '                        [--tls-key FILE --tls-certificate FILE]\n' +
      '       holdfast witness --key witness.key --name NAME --vkey',
    load: async () => (await import('./cli/witness.ts')).witnessCommand,
  },
  resume: {
    usage: 'holdfast resume --region R [--config holdfast.yaml] [--the-witness-is-wrong]',
    load: async () => (await import('./resume.ts')).resumeCommand,
  },
  trust: {
    usage: 'holdfast trust update [--customer DIR] [--json]',
    load: async () => (await import('./cli/trust.ts')).trustCommand,
  },
  watch: {
    usage:
      'holdfast watch [--listen HOST:PORT] [--every 60s] [--statement-every 24h] [--once] [--customer DIR]',
    load: async () => (await import('./cli/watch.ts')).watchCommand,
  },
  monitor: {
    usage:
      'holdfast monitor --log URL|DIR --vkey VKEY --state DIR [--trust trust.json --region R [--statement FILE]…]\n' +
      '                        [--policy FILE] [--peer-checkpoint URL|DIR|FILE]… [--every 60s] [--stale 10m]\n' +
      '                        [--tolerance 10m] [--samples 4] [--once] [--json]',
    load: async () => (await import('./cli/monitor.ts')).monitorCommand,
  },
  fsck: {
    usage: 'holdfast fsck [--repair] [--region R] [--read] [--peers] [--json]',
    load: async () => (await import('./fsck.ts')).fsckCommand,
  },
  backup: {
    usage:
      'holdfast backup --region R --to DIR|remote:NAME [--config FILE] [--key backup.key] [--keep N] [--json]\n' +
      '       holdfast backup --check --region R --from DIR|remote:NAME [--config FILE] [--key backup.key] [--json]',
    load: async () => (await import('./backup-command.ts')).backupCommand,
  },
  restore: {
    usage:
      'holdfast restore --region R --from DIR|remote:NAME --key backup.key [--data DIR] [--config FILE]\n' +
      '                        [--backup ID] [--published URL|DIR|FILE|remote:NAME]… [--new-log HOST] [--json]',
    load: async () => (await import('./restore-command.ts')).restoreCommand,
  },
  log: {
    usage:
      'holdfast log copy --region R --to DIR|remote:NAME [--config FILE] [--json]\n' +
      '       holdfast log rotate --region R [--config FILE] [--json]',
    load: async () => (await import('./log-command.ts')).logCommand,
  },
  collect: {
    helps: true,
    usage: 'holdfast collect FOLDER [--listen HOST:PORT]… [--status] …  (all of it: holdfast help collect)',
    load: async () => (await import('./cli/collect.ts')).collectCommand,
  },
  enter: {
    usage:
      'holdfast enter FILE… [--region R] [--tenant NAME | --customer DIR] [--json]\n' +
      '       holdfast enter FILE… --check STATEMENT… [--trust FILE]… [--json]',
    load: async () => (await import('./cli/enter.ts')).enterCommand,
  },
  flows: {
    helps: true,
    usage:
      'holdfast flows FOLDER… [--by FIELD,…] [--where FIELD=VALUE,…]… …  (all of it: holdfast help flows)',
    load: async () => (await import('./cli/flows.ts')).flowsCommand,
  },
  audit: {
    helps: true,
    usage:
      'holdfast audit FLOWS… --servers inventory.csv [--statement FILE]… [--html FILE] …  (all of it: holdfast help audit)',
    load: async () => (await import('./cli/audit.ts')).auditCommand,
  },
}

const io: CommandIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  isTty: process.stdout.isTTY,
}

// A reader that has seen enough (`… | head`) is no failure.
process.stdout.on('error', error => {
  if ('code' in error && error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
  throw error
})

process.exitCode = await run(process.argv.slice(2))

async function run([name, ...argv]: string[]): Promise<number> {
  if (name === 'help' && argv[0] !== undefined) return run([argv[0], '--help'])
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    io.stdout.write(usageText(Object.values(commands)))
    return 0
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) {
    const names = Object.keys(commands).join(', ')
    io.stderr.write(`holdfast: there is no command ${plain(name)}: ${names} (holdfast --help)\n`)
    return 2
  }
  if (argv.includes('--help') && command.helps !== true) {
    io.stdout.write(usageText([command]))
    return 0
  }
  try {
    return await (await command.load())(argv, io)
  } catch (error) {
    if (error instanceof UsageError) {
      io.stderr.write(`holdfast ${name}: ${plainLines(error.message)}\n${usageText([command])}`)
      return 2
    }
    io.stderr.write(`holdfast ${name}: ${plainLines(messageOf(error))}\n`)
    // Unforeseen: the stack is for the report, the message alone for what we foresaw.
    if (!(error instanceof HoldfastError) && error instanceof Error && process.env.HOLDFAST_DEBUG)
      io.stderr.write(`${error.stack}\n`)
    return error instanceof HoldfastError && error.code === 'bad-input' ? 2 : 1
  }
}

function usageText(some: readonly Command[]): string {
  return `usage: ${some.map(({ usage }) => usage).join('\n       ')}\n`
}
