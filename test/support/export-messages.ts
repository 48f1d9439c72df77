/** Writes export messages as an exporter would, for shapes that no vector has. */
export function u(bytes: number, value: number | bigint): Buffer {
  const out = Buffer.alloc(bytes)
  let left = BigInt(value)
  for (let i = bytes - 1; i >= 0; i--) {
    out[i] = Number(left & 255n)
    left >>= 8n
  }
  return out
}

export function set(id: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([u(2, id), u(2, body.length + 4), body])
}

export function ipfix(sequence: number, domain: number, ...sets: readonly Buffer[]): Buffer {
  const body = Buffer.concat(sets)
  return Buffer.concat([
    u(2, 10),
    u(2, 16 + body.length),
    u(4, 1_768_471_200),
    u(4, sequence),
    u(4, domain),
    body,
  ])
}

export function netflowV9(sequence: number, source: number, ...sets: readonly Buffer[]): Buffer {
  const header = [
    u(2, 9),
    u(2, sets.length),
    u(4, 100_000),
    u(4, 1_768_471_200),
    u(4, sequence),
    u(4, source),
  ]
  return Buffer.concat([...header, ...sets])
}

/** Fields as `[element, length]`, or `[element, length, enterprise]`. */
export function template(id: number, fields: readonly (readonly number[])[]): Buffer {
  const specifiers = fields.map(([element, length, pen]) =>
    pen === undefined
      ? Buffer.concat([u(2, element!), u(2, length!)])
      : Buffer.concat([u(2, element! | 0x8000), u(2, length!), u(4, pen)]),
  )
  return Buffer.concat([u(2, id), u(2, fields.length), ...specifiers])
}

export function address(text: string): Buffer {
  return Buffer.from(text.split('.').map(Number))
}
