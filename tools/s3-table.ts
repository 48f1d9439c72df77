/** Writes the table of operations into docs/s3.md, from the table that requests are routed by. `--check` only looks. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { routes } from '../src/s3/operations.ts'
import type { IamNeed, Route } from '../src/s3/route.ts'

const path = join(import.meta.dirname, '..', 'docs', 's3.md')
const begin = '<!-- operations: written by tools/s3-table.ts -->'
const end = '<!-- /operations -->'

function requestOf({ method, level, query = [], header }: Route): string {
  const target = { service: '/', bucket: '/bucket', object: '/bucket/key' }[level]
  const parameters = query.length === 0 ? '' : `?${query.join('&')}`
  return `\`${method} ${target}${parameters}\`${header === undefined ? '' : ` with \`${header}\``}`
}

function needOf({ action, version, header, on }: IamNeed): string {
  const name = (text: string): string => `\`${text.replace(/^s3:/, '')}\``
  const pair = version === undefined ? name(action) : `${name(action)} or ${name(version)}`
  const of = on === 'source' ? ' of the source' : on === 'keys' ? ' of each key' : ''
  const given = typeof header === 'string' ? ` with \`${header}\`` : header && ' with an ACL in the headers'
  return `${pair}${of}${given ?? ''}`
}

function renderTable(): string {
  const rows = routes.map(
    route =>
      `| ${route.operation.name} | ${requestOf(route)} | ${route.doc} | ${route.iam.map(needOf).join(', ')} |`,
  )
  return [
    '| operation | request | what it does | IAM actions, each `s3:…` |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

const before = readFileSync(path, 'utf8')
const from = before.indexOf(begin)
const to = before.indexOf(end)
if (from < 0 || to < from) throw new Error(`${path} has no place for the table`)
const after = `${before.slice(0, from + begin.length)}\n${renderTable()}\n${before.slice(to)}`
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('docs/s3.md is not what the table of operations says: run node tools/s3-table.ts')
    process.exitCode = 1
  }
} else writeFileSync(path, after)
