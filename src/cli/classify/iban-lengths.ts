/** How long an IBAN of each country is: the IBAN registry of ISO 13616-2, which SWIFT keeps. */
const lengths: ReadonlyMap<string, number> = new Map(
  (
    [
      [15, 'NO'],
      [16, 'BE'],
      [18, 'DK FI FK FO GL NL SD'],
      [19, 'MK SI'],
      [20, 'AT BA EE KZ LT LU MN XK'],
      [21, 'CH HR LI LV'],
      [22, 'BG BH CR DE GB GE IE ME RS VA'],
      [23, 'AE GI IL IQ OM SO TL'],
      [24, 'AD CZ ES MD PK RO SA SE SK TN VG'],
      [25, 'LY PT ST'],
      [26, 'IS TR'],
      [27, 'BI DJ FR GR IT MC MR SM'],
      [28, 'AL AZ BY CY DO GT HN HU LB NI PL'],
      [29, 'BR EG PS QA UA'],
      [30, 'JO KW MU YE'],
      [31, 'MT SC SV'],
      [32, 'LC'],
      [33, 'RU'],
    ] as const
  ).flatMap(([length, countries]) => countries.split(' ').map(country => [country, length] as const)),
)

/**
 * The IBAN at the start of what looks like one, without spaces; `null` where its country has none of that length.
 * Printed in groups of four, it may be followed by a word that looks like another group.
 */
export function ibanOf(text: string): string | null {
  const length = lengths.get(text.slice(0, 2))
  if (length === undefined) return null
  const isGrouped = text.includes(' ')
  const written = isGrouped ? length + Math.ceil(length / 4) - 1 : length
  if (text.length < written || (text.length > written && text[written] !== ' ')) return null
  const iban = text.slice(0, written).replaceAll(' ', '')
  return iban.length === length ? iban : null
}
