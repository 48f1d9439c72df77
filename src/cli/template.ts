/** Templates of instructions: options written down once, for what is ordered again and again. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseYaml } from 'yaml'
import { z } from 'zod'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'

const folder = join(import.meta.dirname, '..', '..', 'templates')

const schema = z.strictObject({
  about: z.string(),
  kind: z.string(),
  options: z.record(
    z.string().regex(/^[a-z][a-z-]*$/),
    z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
  ),
})
type Template = z.infer<typeof schema>

/**
 * The arguments with those of `--template NAME|FILE` in front of what was given, so that what is given wins. A template
 * orders nothing: it is read before the instruction is made, and approvers sign what comes of it.
 */
export function withTemplate(argv: string[]): string[] {
  const at = argv.indexOf('--template')
  if (at < 0) return argv
  const name = argv[at + 1]
  if (name === undefined) throw new UsageError('--template takes a name or a file')
  const rest = [...argv.slice(0, at), ...argv.slice(at + 2)]
  const { kind, options } = readTemplate(name)
  const given = rest[0]?.startsWith('-') === false ? rest.shift()! : kind
  if (given !== kind) throw new UsageError(`the template ${name} is for ${kind}, not for ${given}`)
  const before = Object.entries(options).flatMap(([option, value]): string[] => {
    // Of what may be given more than once, too, what is given stands alone.
    if (rest.some(arg => arg === `--${option}` || arg.startsWith(`--${option}=`)) || value === false)
      return []
    if (value === true) return [`--${option}`]
    return (Array.isArray(value) ? value : [String(value)]).map(text => `--${option}=${text}`)
  })
  return [kind, ...before, ...rest]
}

export function templatesCommand(io: CommandIo): ExitCode {
  for (const file of readdirSync(folder).sort()) {
    const name = file.replace(/\.yaml$/, '')
    const { kind, about } = readTemplate(name)
    io.stdout.write(`${name.padEnd(22)} ${kind.padEnd(18)} ${about}\n`)
  }
  return 0
}

function readTemplate(name: string): Template {
  const own = /^[a-z0-9-]+$/.test(name) ? join(folder, `${name}.yaml`) : name
  const path = existsSync(own) ? own : name
  if (!existsSync(path))
    throw new UsageError(
      `there is no template ${name}; \`holdfast instruct templates\` lists those that come with Holdfast`,
    )
  const parsed = schema.safeParse(parseYaml(readFileSync(path, 'utf8')))
  if (!parsed.success) throw new UsageError(`${path}: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}
