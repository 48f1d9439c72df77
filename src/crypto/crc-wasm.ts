/**
 * Reflected CRCs of up to 64 bits, sixteen bytes a step, as a few instructions of WebAssembly that are put together
 * here: JavaScript has no 64-bit integers that are fast. Benchmark: `bench/checksums.ts`.
 */

/** As much of it as is used; its types would come with those of browsers. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object) => { readonly exports: unknown }
}

const bufferBytes = 1 << 16
const slices = 16
const tableBytes = slices * 256 * 8

/** The register after more bytes; `-1n` in front, and its complement is the CRC. */
export type CrcUpdate = (register: bigint, bytes: Uint8Array) => bigint

/** `polynomial`: reflected, without its highest term. */
export function createCrc(polynomial: bigint): CrcUpdate {
  const { run, memory } = instantiate()
  const buffer = new Uint8Array(memory.buffer, tableBytes, bufferBytes)
  fillTables(new BigUint64Array(memory.buffer, 0, slices * 256), polynomial)
  return (register, bytes) => {
    let state = register
    for (let at = 0; at < bytes.length; at += bufferBytes) {
      const piece =
        bytes.length - at <= bufferBytes && at === 0 ? bytes : bytes.subarray(at, at + bufferBytes)
      buffer.set(piece)
      state = run(state, tableBytes, tableBytes + piece.length)
    }
    return BigInt.asUintN(64, state)
  }
}

function fillTables(tables: BigUint64Array, polynomial: bigint): void {
  for (let n = 0; n < 256; n++) {
    let c = BigInt(n)
    for (let k = 0; k < 8; k++) c = c & 1n ? (c >> 1n) ^ polynomial : c >> 1n
    tables[n] = c
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!
    tables[at] = tables[Number(before & 255n)]! ^ (before >> 8n)
  }
}

type Run = (register: bigint, from: number, to: number) => bigint

/** Opcodes, by the names of the text format ("WebAssembly Core Specification", 5.4). */
const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  end: [0x0b],
  br: (depth: number) => [0x0c, depth],
  brIf: (depth: number) => [0x0d, depth],
  get: (local: number) => [0x20, local],
  set: (local: number) => [0x21, local],
  i64Load: (offset: number) => [0x29, 0, ...leb(offset)],
  i64Load8: [0x31, 0, 0],
  i32: (value: number) => [0x41, ...signedLeb(value)],
  i64: (value: number) => [0x42, ...signedLeb(value)],
  i32GtU: [0x4b],
  i32GeU: [0x4f],
  i32Add: [0x6a],
  i32And: [0x71],
  i32Shl: [0x74],
  i64Xor: [0x85],
  i64ShrU: [0x88],
  i32Wrap: [0xa7],
}

const [register, from, to, low, high] = [0, 1, 2, 3, 4]

/** One of sixteen look-ups: byte `index` of `local` in the table of `slice`. */
function lookUp(local: number, index: number, slice: number): number[] {
  const address =
    index === 0
      ? [...op.get(local), ...op.i32Wrap, ...op.i32(3), ...op.i32Shl]
      : [...op.get(local), ...op.i64(index * 8 - 3), ...op.i64ShrU, ...op.i32Wrap]
  return [...address, ...op.i32(0x7f8), ...op.i32And, ...op.i64Load(slice * 2048)]
}

/** As a tree, so that no result waits for all others. */
function xorAll(values: readonly number[][]): number[] {
  if (values.length === 1) return values[0]!
  const half = values.length / 2
  return [...xorAll(values.slice(0, half)), ...xorAll(values.slice(half)), ...op.i64Xor]
}

function body(): number[] {
  const bytes = [0, 1, 2, 3, 4, 5, 6, 7]
  const first = xorAll(bytes.map(index => lookUp(low!, index, 15 - index)))
  const second = xorAll(bytes.map(index => lookUp(high!, index, 7 - index)))
  // The first eight bytes wait for the register of the step before; the others are looked up meanwhile.
  const xored = [...second, ...first, ...op.i64Xor]
  const step = (n: number): number[] => [...op.get(from!), ...op.i32(n), ...op.i32Add, ...op.set(from!)]
  return [
    ...[...op.block, ...op.loop],
    ...[...op.get(from!), ...op.i32(16), ...op.i32Add, ...op.get(to!), ...op.i32GtU, ...op.brIf(1)],
    ...[...op.get(from!), ...op.i64Load(0), ...op.get(register!), ...op.i64Xor, ...op.set(low!)],
    ...[...op.get(from!), ...op.i64Load(8), ...op.set(high!)],
    ...[...xored, ...op.set(register!), ...step(16), ...op.br(0)],
    ...[...op.end, ...op.end],
    ...[...op.block, ...op.loop],
    ...[...op.get(from!), ...op.get(to!), ...op.i32GeU, ...op.brIf(1)],
    ...[...op.get(from!), ...op.i64Load8, ...op.get(register!), ...op.i64Xor, ...op.set(low!)],
    ...[...lookUp(low!, 0, 0), ...op.get(register!), ...op.i64(8), ...op.i64ShrU, ...op.i64Xor],
    ...[...op.set(register!), ...step(1), ...op.br(0)],
    ...[...op.end, ...op.end],
    ...op.get(register!),
  ]
}

function instantiate(): { run: Run; memory: { readonly buffer: ArrayBuffer } } {
  const [i32, i64] = [0x7f, 0x7e]
  const code = [1, 2, i64, ...body(), ...op.end]
  const module = new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, i64, i32, i32, 1, i64]),
    ...section(3, [1, 0]),
    ...section(5, [1, 0, ...leb(Math.ceil((tableBytes + bufferBytes) / 65_536))]),
    ...section(7, [2, ...name('run'), 0, 0, ...name('memory'), 2, 0]),
    ...section(10, [1, ...leb(code.length), ...code]),
  ])
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module))
  return exports as ReturnType<typeof instantiate>
}

function section(id: number, content: number[]): number[] {
  return [id, ...leb(content.length), ...content]
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)]
}

function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb(value >>> 7)]
}

/** Of numbers that are not negative. */
function signedLeb(value: number): number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...signedLeb(value >>> 7)]
}
