import { bucketCases } from './buckets.ts'
import type { Case } from './harness.ts'
import { versionCases } from './multipart.ts'
import { objectCases } from './objects.ts'

/** By operation, as S3 documents them; `holdfast.test.ts` and `tools/conformance.ts` run each. */
export const cases: readonly Case[] = [...objectCases, ...bucketCases, ...versionCases]
