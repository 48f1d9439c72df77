/** Files of Parquet by their very names, which is not how DuckDB takes a path by itself. */
import { resolve } from 'node:path'
import { HoldfastError } from '../../core/errors.ts'
import { sqlText } from './duck.ts'

/**
 * A relation of these files' rows and of nothing else. By itself DuckDB takes columns out of folders such as
 * `date=2026-01-15`, in the place of those that the file has. `more`: further parameters of `read_parquet`.
 */
export function parquetFiles(paths: readonly string[], more = ''): string {
  return `read_parquet([${paths.map(pathPattern).join(', ')}], hive_partitioning = false${more === '' ? '' : `, ${more}`})`
}

/** As SQL text, the pattern that only this path fits: without it `a[1].parquet` would read `a1.parquet`. */
export function pathPattern(path: string): string {
  // A path that begins with a scheme or a tilde stands for something else than a file of that name.
  const whole = resolve(path)
  if (!/[*?[]/.test(whole)) return sqlText(whole)
  // In a pattern DuckDB takes a backslash for a slash, and has no other way to write one.
  if (whole.includes('\\'))
    throw new HoldfastError('bad-input', `${path} has both a backslash and one of * ? [ in it: rename it`)
  return sqlText(whole.replace(/[*?[]/g, '[$&]'))
}
