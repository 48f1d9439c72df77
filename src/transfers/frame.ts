/** One object on the wire between regions: u32be length, that many bytes of JSON, then its parts' ciphertext. */
import { utf8 } from '../core/bytes.ts'
import { maxHeadBytes, type ObjectHead, objectHeadSchema } from './protocol.ts'
import { TransferRefused } from './refused.ts'

export interface Frame {
  readonly head: ObjectHead
  /** The next `bytes` bytes of ciphertext; throws when the wire ends before. */
  read(bytes: number): AsyncGenerator<Uint8Array, void>
  /** Throws unless everything was read. */
  end(): Promise<void>
}

export async function* writeFrame(
  head: ObjectHead,
  ciphertext: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void> {
  const json = utf8(JSON.stringify(head))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  yield Buffer.concat([length, json])
  yield* ciphertext
}

export async function openFrame(wire: AsyncIterable<Buffer>): Promise<Frame> {
  const source = wire[Symbol.asyncIterator]()
  let held: Buffer = Buffer.alloc(0)
  const more = async (): Promise<boolean> => {
    const step = await source.next()
    if (step.done === true) return false
    held = held.length === 0 ? step.value : Buffer.concat([held, step.value])
    return true
  }
  const atLeast = async (bytes: number): Promise<void> => {
    while (held.length < bytes) if (!(await more())) throw cut()
  }
  await atLeast(4)
  const headBytes = held.readUInt32BE(0)
  if (headBytes > maxHeadBytes)
    throw new TransferRefused('instruction-out-of-scope', 'The object’s description is too long.')
  await atLeast(4 + headBytes)
  const head = parseHead(held.subarray(4, 4 + headBytes))
  held = held.subarray(4 + headBytes)

  return {
    head,
    async *read(bytes) {
      let left = bytes
      while (left > 0) {
        if (held.length === 0 && !(await more())) throw cut()
        const chunk = held.subarray(0, left)
        held = held.subarray(chunk.length)
        left -= chunk.length
        yield chunk
      }
    },
    async end() {
      if (held.length > 0 || (await more()))
        throw new TransferRefused('instruction-out-of-scope', 'More bytes came than departed.')
    },
  }
}

function parseHead(bytes: Buffer): ObjectHead {
  try {
    return objectHeadSchema.parse(JSON.parse(bytes.toString('utf8')))
  } catch {
    throw new TransferRefused('instruction-out-of-scope', 'The object’s description does not parse.')
  }
}

function cut(): TransferRefused {
  return new TransferRefused('instruction-out-of-scope', 'The wire ended before the object did.')
}
