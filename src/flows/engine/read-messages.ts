/** What an audit's main thread and its readers say to each other. */
import type { ErrorCode } from '../../core/errors.ts'
import type { Attributed } from '../attribute/attribute-inputs.ts'
import type { CsvMapping } from '../decode/csv-mapping.ts'
import type { ReadInput } from '../decode/read-input.ts'
import type { DirectorySources } from '../locate/directory.ts'
import type { DuckOptions } from './duck.ts'

export type ReaderData = {
  readonly directory: DirectorySources
  readonly mapping: CsvMapping | null
  readonly engine: DuckOptions
}

export type ReaderFile = { readonly index: number; readonly name: string; readonly path: string }

export type ToReader =
  | { readonly kind: 'read'; readonly file: ReaderFile }
  /** A batch of rows was taken. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'finish' }

export type RowTable = 'abroad' | 'received' | 'outsiders' | 'domestic'

export type FromReader =
  | {
      readonly kind: 'rows'
      readonly table: RowTable
      readonly rows: number
      readonly columns: Readonly<Record<string, ArrayBufferView<ArrayBuffer>>>
    }
  | { readonly kind: 'progress'; readonly name: string; readonly records: number }
  | { readonly kind: 'read'; readonly index: number; readonly input: ReadInput }
  | { readonly kind: 'finished'; readonly attributed: Attributed }
  /** `null`: a fault of ours. */
  | { readonly kind: 'failed'; readonly message: string; readonly code: ErrorCode | null }
