/** Which service a domain belongs to, by lists that the operator gives. `docs/formats/services.md`. */
import { z } from 'zod'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { parseCsvTable } from '../locate/csv-table.ts'
import { domainName } from './domain-name.ts'

export type Service = { readonly service: string | null; readonly tags: readonly string[] }

export type ServiceLists = { readonly find: (name: string) => Service | null }

type Row = {
  readonly where: string
  readonly domain: string
  readonly service: string | null
  readonly tags: readonly string[]
}
type List = {
  /** By domain; of names below it too. */
  readonly suffixes: ReadonlyMap<string, Service>
  readonly exact: ReadonlyMap<string, Service>
}

const mostDomains = 1_000_000
const mostText = 100
const mostTags = 32
const mostTagsOfLists = 1000

const jsonSchema = z.strictObject({
  format: z.literal('holdfast/services/v1'),
  services: z.array(
    z.strictObject({
      service: z.string().nullable().default(null),
      tags: z.array(z.string()).default([]),
      domains: z.array(z.string()).min(1),
    }),
  ),
})

/** CSV or JSON. Throws `bad-input` with file and place. */
export function parseServiceLists(
  files: readonly { readonly name: string; readonly text: string }[],
): ServiceLists {
  const lists = files.map(({ name, text }) => listOf(readRows(name, text)))
  const tags = new Set(
    lists.flatMap(({ suffixes, exact }) =>
      [...suffixes.values(), ...exact.values()].flatMap(row => row.tags),
    ),
  )
  if (tags.size > mostTagsOfLists)
    throw new HoldfastError('bad-input', `the lists of services have more than ${mostTagsOfLists} tags`)
  return {
    find(name) {
      let service: string | null = null
      const tags = new Set<string>()
      let isListed = false
      for (const list of lists) {
        const row = rowOf(list, name)
        if (row === null) continue
        isListed = true
        // The first list that names it: it was given first.
        service ??= row.service
        for (const tag of row.tags) tags.add(tag)
      }
      return isListed ? { service, tags: [...tags] } : null
    },
  }
}

/** The exact name, or the longest domain that it lies under: a label at a time, so that `evil-a.example` is not `a.example`. */
function rowOf({ suffixes, exact }: List, name: string): Service | null {
  const whole = exact.get(name)
  if (whole !== undefined) return whole
  for (let rest = name; ; ) {
    const row = suffixes.get(rest)
    if (row !== undefined) return row
    const dot = rest.indexOf('.')
    if (dot < 0) return null
    rest = rest.slice(dot + 1)
  }
}

function readRows(name: string, text: string): Row[] {
  const rows = /^\uFEFF?\s*\{/.test(text) ? readJson(name, text) : readCsv(name, text)
  if (rows.length > mostDomains)
    throw new HoldfastError('bad-input', `${name}: more than ${mostDomains} domains`)
  return rows
}

function readCsv(name: string, text: string): Row[] {
  return parseCsvTable(name, text, ['domain']).map(({ line, get }) => {
    const where = `${name}:${line}`
    const domain = get('domain')
    if (domain === null) throw new HoldfastError('bad-input', `${where}: no domain`)
    const tags = (get('tags') ?? '').split(';').map(tag => tag.trim())
    return { where, domain, service: get('service'), tags: tags.filter(tag => tag !== '') }
  })
}

function readJson(name: string, text: string): Row[] {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new HoldfastError('bad-input', `${name}: ${messageOf(error)}`, {}, error)
  }
  const parsed = jsonSchema.safeParse(value)
  if (!parsed.success) {
    const faults = parsed.error.issues.slice(0, 20)
    const all = faults.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
    throw new HoldfastError('bad-input', `${name}: ${all}`)
  }
  return parsed.data.services.flatMap(({ service, tags, domains }, i) =>
    domains.map((domain, j) => ({ where: `${name}: services.${i}.domains.${j}`, domain, service, tags })),
  )
}

function listOf(rows: readonly Row[]): List {
  const suffixes = new Map<string, Service>()
  const exact = new Map<string, Service>()
  for (const { where, domain, service, tags } of rows) {
    const isExact = domain.startsWith('=')
    const known = domainName(isExact ? domain.slice(1) : domain)
    if (known === null) throw new HoldfastError('bad-input', `${where}: ${quoted(domain)} is no domain name`)
    for (const text of service === null ? tags : [service, ...tags])
      if (!isPlain(text))
        throw new HoldfastError(
          'bad-input',
          `${where}: ${quoted(text)} is empty, longer than ${mostText}, or has control characters`,
        )
    if (tags.length > mostTags) throw new HoldfastError('bad-input', `${where}: more than ${mostTags} tags`)
    const into = isExact ? exact : suffixes
    const before = into.get(known)
    if (before?.service != null && service !== null && before.service !== service)
      throw new HoldfastError(
        'bad-input',
        `${where}: ${known} is ${quoted(before.service)} already, and cannot be ${quoted(service)} too`,
      )
    into.set(known, {
      service: before?.service ?? service,
      tags: [...new Set([...(before?.tags ?? []), ...tags])],
    })
  }
  return { suffixes, exact }
}

function isPlain(text: string): boolean {
  return text.trim() !== '' && text.length <= mostText && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, mostText))
}
