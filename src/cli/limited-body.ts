import { HoldfastError } from '../core/errors.ts'

/** The body of an answer from whoever it may be, and no more of it than can be meant. */
export async function limitedBody(answer: Response, url: string, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of answer.body ?? []) {
    length += chunk.length
    // Leaving the loop gives up the rest of the answer.
    if (length > maxBytes) throw new HoldfastError('peer-refused', `${url} is longer than ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
