import fc from 'fast-check'
import { expect, it } from 'vitest'
import { boundaryOf, createFormReader } from '../../src/s3/post/form-reader.ts'

const boundary = 'edge'
/** Contents that look like what ends them, and some that do not. */
const content = fc
  .array(fc.oneof(fc.constantFrom('\r\n--edg', '\r\n', '--', 'edge', '\r\n--', '\r'), fc.string()), {
    maxLength: 8,
  })
  .map(pieces => pieces.join(''))
  .filter(text => !text.includes(`\r\n--${boundary}`) && !text.startsWith(`--${boundary}`))
const name = fc.stringMatching(/^[a-z "\\-]{1,12}$/)
const part = fc.record({ name, filename: fc.option(name), content })

function encode(parts: readonly { name: string; filename: string | null; content: string }[]): Buffer {
  const quote = (text: string): string => `"${text.replace(/["\\]/g, mark => `\\${mark}`)}"`
  const text = parts.map(
    each =>
      `--${boundary}\r\nContent-Disposition: form-data; name=${quote(each.name)}${each.filename === null ? '' : `; filename=${quote(each.filename)}`}\r\n\r\n${each.content}\r\n`,
  )
  return Buffer.from(`${text.join('')}--${boundary}--\r\n`)
}

async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer, void> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function read(bytes: Buffer, sizes: readonly number[]) {
  const reader = createFormReader(cut(bytes, sizes), boundary)
  const found = []
  for (let each = await reader.next(); each !== null; each = await reader.next()) {
    const chunks: Buffer[] = []
    for await (const chunk of each.content) chunks.push(chunk)
    found.push({ name: each.name, filename: each.filename, content: Buffer.concat(chunks).toString() })
  }
  return found
}

const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 })

it('reads what was written, however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(part, { maxLength: 4 }), sizes, async (parts, cuts) => {
      expect(await read(encode(parts), cuts)).toEqual(parts)
    }),
  )
})

it('takes nothing that was cut off for a whole form', async () => {
  const whole = fc.array(part, { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(whole, fc.nat(), sizes, async (parts, at, cuts) => {
      const bytes = encode(parts)
      // The line end behind the last boundary is nobody's.
      const left = bytes.subarray(0, at % (bytes.length - 2))
      await expect(read(left, cuts)).rejects.toMatchObject({ code: 'MalformedPOSTRequest' })
    }),
  )
})

it.each([
  ['multipart/form-data; boundary=x', 'x'],
  ['Multipart/Form-Data;charset=utf-8; boundary="a b"', 'a b'],
  ['application/json', null],
  [undefined, null],
])('finds the boundary in %s', (type, found) => expect(boundaryOf(type)).toBe(found))
