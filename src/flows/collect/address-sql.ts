/** Addresses as text, by the engine: one expression over a column, no string made here. */

/** `words` is a column of 128-bit addresses, IPv4 mapped (`columns.ts`). RFC 5952 spelling, as `formatAddress`. */
export function addressTextSql(words: string): string {
  const low = `CAST(${words} & 4294967295::UHUGEINT AS UINTEGER)`
  const octet = (shift: number) => `((${low} >> ${shift}) & 255)`
  const ipv4 = `concat(${[24, 16, 8, 0].map(octet).join(`, '.', `)})`
  const group = (index: number) =>
    `to_hex(CAST((${words} >> ${112 - index * 16}) & 65535::UHUGEINT AS USMALLINT))`
  const groups = `concat(':', ${Array.from({ length: 8 }, (_, index) => group(index)).join(`, ':', `)}, ':')`
  return `CASE WHEN (${words} >> 32) = 65535::UHUGEINT THEN ${ipv4} ELSE ${compressed(groups)} END`
}

/** The longest run of at least two zero groups becomes `::`, the first of equals. */
function compressed(groups: string): string {
  const cases = [8, 7, 6, 5, 4, 3, 2].map(count => {
    const run = `:${'0:'.repeat(count)}`
    const cut = `concat(substr(g, 1, instr(g, '${run}') - 1), '::', substr(g, instr(g, '${run}') + ${run.length}))`
    return `WHEN contains(g, '${run}') THEN ${cut}`
  })
  const chosen = `CASE ${cases.join(' ')} ELSE g END`
  // What is left of the colons around it: one at each end, unless the run stands there.
  const trimmed = (text: string) =>
    `regexp_replace(regexp_replace(${text}, '^:([^:])', '\\1'), '([^:]):$', '\\1')`
  return `list_extract(list_transform([lower(${groups})], lambda g: ${trimmed(chosen)}), 1)`
}
