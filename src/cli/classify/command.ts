/**
 * `classify`: suggests a class for what files or a bucket hold. It runs where the customer is, and sends nothing on: a
 * region that looked for identifiers in its tenants' data would have to be believed about what it does with them.
 */
import { randomBytes } from 'node:crypto'
import { messageOf } from '../../core/errors.ts'
import { customerFolder, loadCredentials } from '../customer-folder.ts'
import { chunksOf } from '../file-chunks.ts'
import { type CommandIo, type ExitCode, UsageError } from '../io.ts'
import { parseOptions } from '../options.ts'
import { findBucketPlace } from '../order.ts'
import { createBucketObjects } from './bucket-objects.ts'
import { lookAtName, lookInto } from './look.ts'
import { countLook, createLooks, createReport, reportText } from './report.ts'
import { createTally } from './tally.ts'

interface Named {
  readonly name: string
  open(): Promise<Content> | Content
}
type Content = AsyncIterable<Uint8Array> | Iterable<Uint8Array>

export async function classifyCommand(argv: string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parseOptions({
    args: argv,
    allowPositionals: true,
    options: {
      bucket: { type: 'string' },
      prefix: { type: 'string' },
      'max-bytes': { type: 'string' },
      'max-objects': { type: 'string' },
      customer: { type: 'string' },
      json: { type: 'boolean' },
    },
  })
  const { bucket } = values
  if ((bucket === undefined) === (positionals.length === 0))
    throw new UsageError('FILE… or --bucket, one of them')
  if (bucket === undefined && (values.prefix !== undefined || values['max-objects'] !== undefined))
    throw new UsageError('--prefix and --max-objects go with --bucket')
  const maxBytes = limit(values['max-bytes'], '--max-bytes')
  const maxObjects = limit(values['max-objects'], '--max-objects')

  const tally = createTally(randomBytes(16).toString('hex'))
  const looks = createLooks()
  const lookAt = async ({ name, open }: Named): Promise<void> => {
    const source = lookAtName(name, tally)
    try {
      countLook(looks, await lookInto(await open(), source, maxBytes, tally))
    } catch (error) {
      // The others are looked into all the same; what could not be read makes the exit code.
      looks.failed++
      io.stderr.write(
        `holdfast classify: ${source.shown}: ${messageOf(error).replaceAll(name, source.shown)}\n`,
      )
    }
  }

  let place: { readonly name: string; readonly dataClass: string } | null = null
  if (bucket === undefined) for (const path of positionals) await lookAt(fileSource(path))
  else {
    const credentials = loadCredentials(values.customer ?? customerFolder(io.env))
    const { region, dataClass } = await findBucketPlace(credentials, bucket)
    place = { name: bucket, dataClass }
    using objects = createBucketObjects(credentials, region, bucket)
    const listing = objects.list(values.prefix ?? '', maxObjects)
    for (let next = await listing.next(); ; next = await listing.next()) {
      if (next.done) {
        looks.more = next.value.more
        break
      }
      const object = next.value
      await lookAt({ name: object.key, open: () => objects.read(object, maxBytes) })
    }
  }
  const report = createReport(tally.kinds(), looks, place)
  io.stdout.write(values.json ? `${JSON.stringify(report)}\n` : reportText(report))
  return looks.failed === 0 ? 0 : 1
}

function fileSource(path: string): Named {
  return path === '-'
    ? { name: 'standard input', open: () => process.stdin }
    : { name: path, open: () => chunksOf(path) }
}

function limit(text: string | undefined, name: string): number {
  if (text === undefined) return Number.POSITIVE_INFINITY
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new UsageError(`${name} takes a number from 1`)
  return Number(text)
}
