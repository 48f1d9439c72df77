/** What an instruction orders, for whoever is to sign it. */
import { unreachable } from '../core/errors.ts'
import { isoTime } from '../core/time.ts'
import type { Instruction } from '../instructions/instruction.ts'
import type { EraseInstruction } from '../instructions/kinds/erase.ts'
import type { AccessInstruction, DiscloseInstruction } from '../instructions/kinds/people.ts'
import type { TransferInstruction } from '../instructions/kinds/transfer.ts'
import type { DryRun } from '../transfers/dry-run.ts'
import { setText } from './approvers.ts'
import { verdictText } from './policy/render.ts'

const shownEntries = 20

/** Line by line, as computed from the bytes that are signed. */
export function describeInstruction(instruction: Instruction): string {
  const rows = rowsOf(instruction)
  const { purpose, notBeforeUnixMs, expiresUnixMs } = instruction
  if (instruction.drafter !== null) rows.push(['drafter', instruction.drafter])
  rows.push(['purpose', purpose], ['valid', `${isoTime(notBeforeUnixMs)} until ${isoTime(expiresUnixMs)}`])
  return rows.map(([name, value]) => `  ${name!.padEnd(9)} ${value}\n`).join('')
}

function rowsOf(instruction: Instruction): string[][] {
  switch (instruction.kind) {
    case 'transfer':
    case 'standing-transfer':
      return describeTransfer(instruction)
    case 'erase':
      return describeErasure(instruction)
    case 'class':
      return [
        [
          'what',
          `${instruction.bucket}${instruction.prefix === null ? '' : `/${instruction.prefix}*`} holds ${instruction.dataClass} data, and no longer ${instruction.was} data`,
        ],
        ['in', instruction.region],
      ]
    case 'residency': {
      const places = (list: readonly string[] | null): string =>
        list === null ? 'wherever an approved transfer brings them' : list.join(', ')
      return [
        ['what', `bytes of ${instruction.bucket} may rest in: ${places(instruction.regions)}`],
        ['until now', places(instruction.was)],
        ['in', instruction.region],
      ]
    }
    case 'key':
      return [
        [
          'what',
          instruction.act === 'rotate'
            ? `a new bucket key for what ${instruction.bucket} is given from then on`
            : `destroy the bucket keys of ${instruction.bucket}: nobody reads what is in it ever again`,
        ],
        ['in', instruction.region],
      ]
    case 'approvers':
      return [
        [
          'what',
          `other approvers for the whole tenant, ordered by its ${instruction.change.by === 'recovery' ? 'recovery keys' : 'approvers'}; in force 72 hours after the quorum:\n${setText(instruction.change.set, instruction.change.number)}`,
        ],
        ['after', instruction.change.after],
      ]
    case 'access':
      return describeAccess(instruction)
    case 'disclose':
      return describeDisclosure(instruction)
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
  const { from, to, mode, prefix, mechanism, limits, versions, list } = instruction
  const what = `${from.bucket}/${prefix}*`
  const which = versions === 'all' ? `all versions of ${what}` : what
  return [
    ['what', instruction.kind === 'transfer' ? `${mode} of ${which}` : `copy of ${which}, and of what comes`],
    ...(list === null ? [] : [['list', `exactly what the dry run with this digest showed: ${list}`]]),
    ['from', `${from.region}`],
    ['to', `${to.bucket} in ${to.region}`],
    ...(mechanism === null ? [] : [['mechanism', mechanism]]),
    ['limits', describeLimits(limits)],
  ]
}

function describeAccess({
  region,
  bucket,
  prefix,
  actions,
  operator,
  ticket,
  mechanism,
}: AccessInstruction): string[][] {
  return [
    ['what', `${operator.name} (${operator.country}), of the operator, may ${actions.join(', ')}`],
    ['of', `${bucket}/${prefix}* in ${region}`],
    ['ticket', ticket],
    ...(mechanism === null ? [] : [['mechanism', mechanism]]),
  ]
}

function describeDisclosure(instruction: DiscloseInstruction): string[][] {
  const { region, bucket, prefix, form, recipient, basis, limits, mechanism } = instruction
  return [
    ['what', `disclose ${form} of ${bucket}/${prefix}* in ${region}`],
    ['to', `${recipient.name} (${recipient.country})`],
    ['basis', basis],
    ...(instruction.case === null ? [] : [['case', instruction.case]]),
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
  const { objects, bytes, contentBytes, first, list, withinLimits, law, destination } = tried
  const { classLost, versionsLost, approversDiffer } = tried
  const more = objects > first.length ? [`  … and ${objects - first.length} more`] : []
  const [one, other] = law
  const isSame = one !== undefined && other !== undefined && verdictText(one) === verdictText(other)
  const own = new Set(law.map(({ ownPolicy }) => ownPolicy).filter(each => each !== null))
  return [
    `A ${mode} would take ${objects} objects, ${contentBytes} bytes of content, ${bytes} of ciphertext:`,
    ...first.map(key => `  ${key}`),
    ...more,
    `That list is ${list}: --list binds an instruction to exactly this.`,
    ...(withinLimits ? [] : ['That is more than the limits allow.']),
    ...(classLost === null ? [] : [classLost]),
    ...(versionsLost === null ? [] : [versionsLost]),
    ...(approversDiffer === null ? [] : [approversDiffer]),
    ...(isSame ? [one] : law).map(each => `\n${isSame ? 'Both ends' : each.region}: ${verdictText(each)}`),
    ...own,
    ...(destination.answer === 'refused' ? [`${destination.region} refuses it: ${destination.why}`] : []),
    ...(destination.answer === 'unknown'
      ? [`What ${destination.region} would say is not known: ${destination.why}`]
      : []),
    `${endOf(tried)} Nothing was sent.\n`,
  ].join('\n')
}

/** What is not known is not taken for allowed. */
function endOf({ allowed, destination, law, withinLimits }: DryRun): string {
  if (allowed) return 'It would be let through.'
  const isOurs = law.every(({ outcome, ownPolicy }) => outcome === 'allowed' && ownPolicy === null)
  return destination.answer === 'unknown' && withinLimits && isOurs
    ? 'This end would let it through; whether the other would is not known.'
    : 'It would not be let through.'
}
