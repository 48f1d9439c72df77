import { existsSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The folder of published test data `../shared/vectors/<name>`, or `null` where this machine has none. Suites that
 * need it are titled `vectors: …` and skipped without it; the runner counts those as not available.
 */
export function sharedVectors(name: string): string | null {
  const folder = join(import.meta.dirname, '..', '..', '..', 'shared', 'vectors', name)
  return existsSync(folder) ? folder : null
}
