/** `delegate`: one approver lets another person speak for it for a while, or takes that back. */
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { toHex } from '../core/bytes.ts'
import { isoTime, parseDurationMs } from '../core/time.ts'
import { parseEnvelope, printEnvelope } from '../crypto/dsse.ts'
import { nodeVerifyCrypto } from '../crypto/node-verify-crypto.ts'
import { keyIdOf, parsePrivateKey } from '../crypto/signatures.ts'
import { createDocument, documentId, signDocument } from '../crypto/signed-document.ts'
import { printApprover } from '../verify/approvers.ts'
import { delegationPayloadType, openDelegation, withdrawalPayloadType } from '../verify/delegation.ts'
import { orderApi } from './api-client.ts'
import { fetchApproverSets } from './approver-set.ts'
import { readPublicKey } from './approvers.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions, required } from './options.ts'
import { ordererOf } from './order.ts'

export async function delegateCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  if (argv[0] === 'withdraw') return withdraw(argv.slice(1), io)
  const { values } = parseOptions({
    args: argv,
    options: {
      key: { type: 'string' },
      to: { type: 'string' },
      for: { type: 'string', default: '7d' },
      kind: { type: 'string', multiple: true },
      reason: { type: 'string', default: '' },
      output: { type: 'string', short: 'o' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const key = parsePrivateKey(readFileSync(required(values.key, '--key FILE'), 'utf8'))
  const delegate = readPublicKey(required(values.to, '--to FILE|ALGORITHM:HEX'))
  const output = required(values.output, '-o FILE')
  const lifeMs = parseDurationMs(values.for)
  if (lifeMs === null || lifeMs === 0) throw new UsageError('--for takes a time like 12h or 7d')
  const orderer = ordererOf(values, io)
  const now = Date.now()
  const document = signDocument(
    createDocument(delegationPayloadType, {
      approver: keyIdOf(key),
      delegate: printApprover(delegate),
      expires: isoTime(now + lifeMs),
      kinds: values.kind === undefined ? null : [...new Set(values.kind)].sort(),
      nonce: toHex(randomBytes(16)),
      notBefore: isoTime(now),
      reason: values.reason,
      tenant: orderer.credentials.tenant,
      v: 1,
    }),
    key,
  )
  // Judged as every region will, before anybody relies on it.
  for (const { region, set } of await fetchApproverSets(orderer)) {
    const opened = openDelegation(document, set, nodeVerifyCrypto)
    if (typeof opened === 'string') throw new UsageError(`${region} would not take it: ${opened}`)
  }
  writeFileSync(output, `${JSON.stringify(printEnvelope(document))}\n`)
  const id = documentId(document)
  io.stdout.write(
    values.json
      ? `${JSON.stringify({ id, file: output })}\n`
      : `delegation ${id} written to ${output}\nIts holder approves with\n  holdfast approve ID --key … --delegation ${output}\nand you take it back with\n  holdfast delegate withdraw ${id} --key ${values.key}\n`,
  )
  return 0
}

async function withdraw(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      key: { type: 'string' },
      reason: { type: 'string', default: '' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const named = required(positionals[0], 'ID|FILE')
  const id = /^[0-9a-f]{64}$/.test(named) ? named : idOfFile(named)
  const key = parsePrivateKey(readFileSync(required(values.key, '--key FILE'), 'utf8'))
  const { folder, credentials } = ordererOf(values, io)
  const document = signDocument(
    createDocument(withdrawalPayloadType, {
      delegation: id,
      reason: values.reason,
      tenant: credentials.tenant,
      time: isoTime(Date.now()),
      v: 1,
    }),
    key,
  )
  const answer = await orderApi(credentials, folder, '/delegations/withdrawals', {
    envelope: printEnvelope(document),
  })
  io.stdout.write(
    values.json ? `${JSON.stringify(answer)}\n` : `withdrawn: approvals by delegation ${id} count no more\n`,
  )
  return 0
}

function idOfFile(path: string): string {
  const envelope = parseEnvelope(JSON.parse(readFileSync(path, 'utf8')))
  if (envelope === null) throw new UsageError(`${path} holds no delegation`)
  return documentId(envelope)
}
