/**
 * Rows as columns: what the decoders' records become on their way into an engine and out of it. An address is four
 * 32-bit words, lowest first, IPv4 mapped into IPv6 (::ffff:a.b.c.d), so that one host has one value; that is how a
 * little-endian 128-bit number lies in memory.
 */
export type ColumnKind = 'u8' | 'u16' | 'u32' | 'f64' | 'address'

export type ColumnArray = Uint8Array | Uint16Array | Uint32Array | Float64Array

export type ColumnSpecs = Readonly<Record<string, ColumnKind>>

type ArrayOf = {
  readonly u8: Uint8Array
  readonly u16: Uint16Array
  readonly u32: Uint32Array
  readonly f64: Float64Array
  readonly address: Uint32Array
}

export type Columns<Specs extends ColumnSpecs> = {
  readonly [Name in keyof Specs]: ArrayOf[Specs[Name]]
}

export function makeColumns<Specs extends ColumnSpecs>(specs: Specs, rows: number): Columns<Specs> {
  const made = Object.entries(specs).map(([name, kind]) => [name, makeArray(kind, rows)])
  return Object.fromEntries(made) as Columns<Specs>
}

function makeArray(kind: ColumnKind, rows: number): ColumnArray {
  switch (kind) {
    case 'u8':
      return new Uint8Array(rows)
    case 'u16':
      return new Uint16Array(rows)
    case 'u32':
      return new Uint32Array(rows)
    case 'f64':
      return new Float64Array(rows)
    case 'address':
      return new Uint32Array(rows * 4)
  }
}

export const bytesOf: Readonly<Record<ColumnKind, number>> = { u8: 1, u16: 2, u32: 4, f64: 8, address: 16 }
