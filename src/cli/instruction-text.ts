/** What an instruction orders, for whoever is to sign it. */
import { unreachable } from '../core/errors.ts'
import { isoTime } from '../core/time.ts'
import type { EraseInstruction, Instruction, TransferInstruction } from '../instructions/instruction.ts'
import type { DryRun } from '../transfers/dry-run.ts'
import { verdictText } from './policy/render.ts'

const shownEntries = 20

/** Line by line, as computed from the bytes that are signed. */
export function describeInstruction(instruction: Instruction): string {
  const rows = rowsOf(instruction)
  const { purpose, notBeforeUnixMs, expiresUnixMs } = instruction
  rows.push(['purpose', purpose], ['valid', `${isoTime(notBeforeUnixMs)} until ${isoTime(expiresUnixMs)}`])
  return rows.map(([name, value]) => `  ${name!.padEnd(9)} ${value}\n`).join('')
}

function rowsOf(instruction: Instruction): string[][] {
  switch (instruction.kind) {
    case 'transfer':
      return describeTransfer(instruction)
    case 'erase':
      return describeErasure(instruction)
    case 'class':
      return [
        [
          'what',
          `${instruction.bucket} holds ${instruction.dataClass} data, and no longer ${instruction.was} data`,
        ],
        ['in', instruction.region],
      ]
    default:
      return unreachable(instruction)
  }
}

function describeErasure({ region, entries }: EraseInstruction): string[][] {
  const shown = entries.slice(0, shownEntries).map(([seq, id]) => ['entry', `${id} (number ${seq})`])
  const more = entries.length > shownEntries ? [['entry', `… and ${entries.length - shownEntries} more`]] : []
  return [['what', `erase ${entries.length} entries for good`], ['in', region], ...shown, ...more]
}

function describeTransfer(instruction: TransferInstruction): string[][] {
  const { from, to, mode, prefix, mechanism, limits } = instruction
  return [
    ['what', `${mode} of ${from.bucket}/${prefix}*`],
    ['from', `${from.region}`],
    ['to', `${to.bucket} in ${to.region}`],
    ...(mechanism === null ? [] : [['mechanism', mechanism]]),
    ['limits', describeLimits(limits)],
  ]
}

function describeLimits({ objects, bytes }: TransferInstruction['limits']): string {
  const parts = [
    objects === null ? null : `${objects} objects`,
    bytes === null ? null : `${bytes} bytes of ciphertext`,
  ]
  const set = parts.filter(part => part !== null)
  return set.length === 0 ? 'none set' : `at most ${set.join(' and ')}`
}

/** What would move, and what each end's packs say of it. */
export function dryRunText(tried: DryRun, mode: string): string {
  const { objects, bytes, contentBytes, first, withinLimits, law, classLost, allowed } = tried
  const more = objects > first.length ? [`  … and ${objects - first.length} more`] : []
  const [one, other] = law
  const isSame = one !== undefined && other !== undefined && verdictText(one) === verdictText(other)
  return [
    `A ${mode} would take ${objects} objects, ${contentBytes} bytes of content, ${bytes} of ciphertext:`,
    ...first.map(key => `  ${key}`),
    ...more,
    ...(withinLimits ? [] : ['That is more than the limits allow.']),
    ...(classLost === null ? [] : [classLost]),
    ...(isSame ? [one] : law).map(each => `\n${isSame ? 'Both ends' : each.region}: ${verdictText(each)}`),
    allowed
      ? 'It would be let through. Nothing was sent.\n'
      : 'It would not be let through. Nothing was sent.\n',
  ].join('\n')
}
