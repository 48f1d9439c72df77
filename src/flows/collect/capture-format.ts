/**
 * The file that `holdfast audit --listen` writes: datagrams as they came, with when and from whom.
 * `docs/formats/flow-capture.md` describes it; writer and reader share these numbers.
 */
export const captureMagic = Buffer.from('holdfast/flow-capture/v1\n', 'latin1')

/** Frame: length of what follows it (u32), CRC-32 of that (u32), kind (u8), then by kind. */
export const frameHeaderBytes = 8

export const frameKinds = { datagram: 1, end: 2 } as const

/** Kind (1), arrival (u64), family (1), port (2), address (16), and the largest UDP payload. */
export const maxFrameBytes = 1 + 8 + 1 + 2 + 16 + 65_535

export type Datagram = {
  readonly arrivedUnixMs: number
  readonly address: string
  readonly port: number
  readonly payload: Uint8Array
}
