/**
 * Runs attacks on the instruction path against `src/` as it is, and against `src/` with one check taken out. Every
 * module of a run is loaded anew, under an address of its own, and the file with the check is changed on the way.
 * A process of its own, because Node loads `src/` as it stands there. Arguments: which share of the attacks, of how many.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { messageOf } from '../../src/core/errors.ts'
import { createWorld, type Load } from './attacked-regions.ts'
import { type HonestPath, honestPaths, type PathAttack, pathAttacks } from './instruction-attacks.ts'

export interface Outcome {
  /** By which rule, and what was said; `null`: it went through. */
  readonly refused: string | null
  /** Refusals and ends of instructions that regions have entered. */
  readonly entered: readonly string[]
}
export interface Answer {
  readonly at: number
  readonly before: Outcome
  /** `null`: of what is honest. */
  readonly without: Outcome | null
}

const src = join(import.meta.dirname, '..', '..', 'src')
/** The changed text of a file, by the number of the copy. */
const changed = new Map<string, { readonly url: string; readonly text: string }>()

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    const copy = new URL(context.parentURL ?? 'file:///').searchParams.get('copy')
    const isOurs = resolved.url.startsWith(pathToFileURL(`${src}/`).href)
    return copy === null || !isOurs
      ? resolved
      : { ...resolved, url: `${resolved.url.split('?')[0]}?copy=${copy}` }
  },
  load(url, context, next) {
    const { searchParams } = new URL(url.startsWith('file:') ? url : 'file:///')
    const copy = changed.get(searchParams.get('copy') ?? '')
    if (copy === undefined || copy.url !== url.split('?')[0]) return next(url, context)
    return { format: 'module-typescript', shortCircuit: true, source: copy.text }
  },
})

function loaderOf(copy: string): Load {
  return path => import(`${pathToFileURL(join(src, path)).href}?copy=${copy}`)
}

function copyWithout({ file, find, replace }: PathAttack, name: string): Load {
  const url = pathToFileURL(join(src, file)).href
  const text = readFileSync(fileURLToPath(url), 'utf8')
  // However the line is broken.
  const pattern = new RegExp(
    find
      .split(/ +/)
      .map(word => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('\\s+'),
    'g',
  )
  if ([...text.matchAll(pattern)].length !== 1) throw new Error(`${file} does not hold once: ${find}`)
  changed.set(name, { url, text: text.replace(pattern, () => replace) })
  return loaderOf(name)
}

async function outcomeOf(
  load: Load,
  { terms, home, attack }: Pick<PathAttack, 'terms' | 'home' | 'attack'>,
): Promise<Outcome> {
  const world = await createWorld(load, terms, home)
  let refused: string | null = null
  try {
    await attack(world)
  } catch (error) {
    const { rule, code } = error as { rule?: string; code?: string }
    refused = `${rule ?? code ?? 'threw'}: ${messageOf(error)}`
  }
  const entered: string[] = []
  for (const place of Object.values(world.places)) {
    for (const { type, body } of await place.entries()) {
      if (type === 'refusal') entered.push(`${place.id} refused ${body.rule}`)
      if (type === 'instruction.state') entered.push(`${place.id} ${body.state}`)
    }
  }
  return { refused, entered }
}

const isAttack = (each: HonestPath | PathAttack): each is PathAttack => 'find' in each

if (import.meta.main) {
  const [share, shares] = process.argv.slice(2).map(Number) as [number, number]
  const whole = loaderOf('whole')
  const answers: Answer[] = []
  for (const [at, attack] of [...pathAttacks, ...honestPaths].entries()) {
    if (at % shares !== share) continue
    const before = await outcomeOf(whole, attack)
    const without = isAttack(attack) ? await outcomeOf(copyWithout(attack, `${at}`), attack) : null
    answers.push({ at, before, without })
  }
  // Timers of what was running do not keep it.
  process.stdout.write(JSON.stringify(answers), () => process.exit(0))
}
