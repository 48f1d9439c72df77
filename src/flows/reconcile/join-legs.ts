import type { Word, Words } from './words.ts'

/** Is this an address that speaks for others, at that time, by the auditor's inventory? */
export type IsTranslator = (address: string, unixMs: number) => boolean

/** The two ends count the same payload but for what was in flight. */
const slackBytes = 64 * 1024
/** Clocks of two regions; those are estimated only afterwards. */
const slackMs = 5 * 60_000

/**
 * Address translation gives one connection two names: the sender entered its own address, the receiver the one that the
 * translator lent it. What both entered under one instruction, to one socket, at one time and of one size is one
 * connection when that address is a translator's. The receiver's words then stand under the sender's name, and the
 * connection can be recognised by either: `aliases` has the lent name for the sender's.
 *
 * Nobody gains by it who could not have written the sender's address down in the first place: that both ends speak, under
 * an approved instruction, is asked all the same.
 */
export function joinLegs(words: Words, isTranslator: IsTranslator): Words {
  const senders = new Map<string, { tuple: string; word: Word }[]>()
  for (const [tuple, list] of words.byTuple) {
    if (list.some(({ isSender }) => !isSender)) continue
    for (const word of list) {
      if (word.instruction === null) continue
      const key = keyOf(word, destinationOf(tuple))
      const known = senders.get(key)
      if (known === undefined) senders.set(key, [{ tuple, word }])
      else known.push({ tuple, word })
    }
  }
  const byTuple = new Map<string, readonly Word[]>(words.byTuple)
  const aliases = new Map<string, string>()
  for (const [tuple, list] of words.byTuple) {
    const [source = ''] = tuple.split(' ')
    const [word, ...others] = list
    // Several words of one lent name are several connections; which is whose would be a guess.
    if (word === undefined || others.length > 0 || word.isSender || word.instruction === null) continue
    if (!isTranslator(source, word.startUnixMs)) continue
    const candidates = senders.get(keyOf(word, destinationOf(tuple))) ?? []
    const fitting = candidates
      .filter(({ word: sent }) => fits(sent, word))
      .sort((a, b) => apart(a.word, word) - apart(b.word, word))
    const [best] = fitting
    if (best === undefined) continue
    candidates.splice(candidates.indexOf(best), 1)
    byTuple.set(best.tuple, [...(byTuple.get(best.tuple) ?? []), { ...word, pair: best.word.pair }])
    byTuple.delete(tuple)
    aliases.set(tuple, best.tuple)
  }
  return { ...words, byTuple, aliases }
}

function keyOf({ instruction, tenant }: Word, destination: string): string {
  return `${instruction} ${tenant} ${destination}`
}

/** Address and port to which. */
function destinationOf(tuple: string): string {
  return tuple.split(' ').slice(2).join(' ')
}

function fits(sent: Word, received: Word): boolean {
  const overlaps =
    sent.startUnixMs <= received.endUnixMs + slackMs && received.startUnixMs <= sent.endUnixMs + slackMs
  const most = Math.max(sent.bytes, received.bytes)
  return (
    overlaps && sent.region !== received.region && apart(sent, received) <= Math.max(slackBytes, most / 100)
  )
}

function apart(a: Word, b: Word): number {
  return Math.abs(a.bytes - b.bytes)
}
