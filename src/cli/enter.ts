/**
 * `enter`: the hashes of files into the tenant's books, so that nobody can say later that they were others; and the
 * check, offline, that files are those that were entered.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { basename } from 'node:path'
import { HoldfastError, messageOf } from '../core/errors.ts'
import { plain } from '../core/plain-text.ts'
import { distinctEntries } from '../flows/reconcile/books.ts'
import { enteredFiles } from '../flows/reconcile/entered-files.ts'
import { orderApi } from './api-client.ts'
import { loadCredentials } from './customer-folder.ts'
import { statOf } from './input-file.ts'
import { type CommandIo, type ExitCode, UsageError } from './io.ts'
import { parseOptions } from './options.ts'
import { folderOf, whoseOptions } from './user.ts'
import { verifiedBooks } from './verified-books.ts'

type FileHash = { readonly name: string; readonly sha256: string; readonly bytes: number }

const mostFiles = 1000

export async function enterCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      ...whoseOptions,
      region: { type: 'string' },
      check: { type: 'string', multiple: true },
      trust: { type: 'string', multiple: true },
    },
  })
  if (positionals.length === 0 || positionals.length > mostFiles)
    throw new UsageError(`name the files to enter, at most ${mostFiles}`)
  const files: FileHash[] = []
  for (const path of positionals) files.push(await hashOf(path))
  if (values.trust !== undefined && values.check === undefined)
    throw new UsageError('--trust belongs to --check')
  if (values.check !== undefined)
    return await check(
      files,
      { statements: values.check, trust: values.trust ?? [] },
      values.json === true,
      io,
    )
  const folder = folderOf(values, io)
  const credentials = loadCredentials(folder)
  const region = values.region ?? credentials.region
  const { entry } = (await orderApi(credentials, folder, '/evidence', { region, files })) as { entry: string }
  const lines = files.map(({ sha256, name }) => `${sha256}  ${name}\n`)
  const receipt = `entered in ${region} as ${entry}; its receipt: holdfast receipt ${entry} -o receipt.txt\n`
  io.stdout.write(
    values.json ? `${JSON.stringify({ entry, region, files })}\n` : `${lines.join('')}${receipt}`,
  )
  return 0
}

/** Exit code 1 when a file is none of those that the statements hold, or a statement does not verify. */
async function check(
  files: readonly FileHash[],
  books: { readonly statements: readonly string[]; readonly trust: readonly string[] },
  json: boolean,
  io: CommandIo,
): Promise<ExitCode> {
  const entries = distinctEntries((await verifiedBooks(books, io.env)).books)
  const found = enteredFiles(entries, files).filter(({ isSame }) => isSame)
  const rows = files.map(file => ({
    ...file,
    entered: found.find(({ sha256 }) => sha256 === file.sha256) ?? null,
  }))
  const lines = rows.map(({ name, entered }) =>
    entered === null
      ? `${name}: NOT ENTERED as it is now, in these statements\n`
      : `${name}: entered ${entered.time} in ${entered.region}, entry ${entered.entry}\n`,
  )
  io.stdout.write(json ? `${JSON.stringify(rows)}\n` : lines.join(''))
  return rows.every(({ entered }) => entered !== null) ? 0 : 1
}

async function hashOf(path: string): Promise<FileHash> {
  const found = await statOf(path)
  if (found.isDirectory()) throw new HoldfastError('bad-input', `${path} is a folder: name a file`)
  const hash = createHash('sha256')
  let bytes = 0
  try {
    for await (const chunk of createReadStream(path)) {
      hash.update(chunk as Buffer)
      bytes += (chunk as Buffer).length
    }
  } catch (error) {
    throw new HoldfastError('bad-input', `${path}: ${messageOf(error)}`)
  }
  return { name: nameOf(path), sha256: hash.digest('hex'), bytes }
}

const longestName = 200

/** The file's own name as it may stand in an entry, cut between characters. */
function nameOf(path: string): string {
  let name = ''
  for (const character of plain(basename(path).toWellFormed())) {
    if (name.length + character.length > longestName) break
    name += character
  }
  return name
}
