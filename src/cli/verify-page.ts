/** The verifier as a page that works from a file, made by `npm run build`. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const path = join(import.meta.dirname, '..', '..', 'dist', 'verify.html')

/** `null` where it was not built. */
export function readVerifyPage(): string | null {
  return existsSync(path) ? readFileSync(path, 'utf8') : null
}
