/** HTML that is safe to join to other HTML; only `markup` makes it, and it escapes whatever is not one already. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

type Part = Markup | string | number | null | readonly Part[]

/** A template whose values are escaped: server names and AS names come from files that others wrote. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let out = strings[0]!
  for (const [i, part] of parts.entries()) out += rendered(part) + strings[i + 1]!
  return new Markup(out)
}

/** For text that this program itself wrote, such as the style sheet. */
export function trusted(text: string): Markup {
  return new Markup(text)
}

function rendered(part: Part): string {
  if (part === null) return ''
  if (part instanceof Markup) return part.text
  if (typeof part === 'number') return String(part)
  if (typeof part === 'string') return escaped(part)
  return part.map(rendered).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Marks that reorder text are taken out, or a name could make the line around it read differently. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(
      /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
      '\uFFFD',
    )
    .replace(/[&<>"']/g, mark => entities[mark]!)
}
