import { type Markup, markup } from './markup.ts'
import type { Grades } from './report-types.ts'
import { humanBytes, percent } from './units.ts'

export const gradeNames = ['unexplained', 'disputed', 'claimed', 'instructed'] as const
export type GradeName = (typeof gradeNames)[number]

const meanings: Readonly<Record<GradeName, string>> = {
  unexplained: 'no entry accounts for it',
  disputed: 'the place is in doubt',
  claimed: 'one region’s word alone',
  instructed: 'signed for, in both books',
}

/** Shares side by side; what they are stands in words beside every bar. */
export function gradeBar(grades: Grades): Markup {
  const label = gradeNames.map(name => `${name} ${percent(grades[name], grades.bytesAbroad)}`).join(', ')
  return markup`<div class="bar" role="img" aria-label="${label}">${gradeNames
    .filter(name => grades[name] > 0)
    .map(name => markup`<i class="i-${name}" style="flex:${grades[name] / grades.bytesAbroad}"></i>`)}</div>`
}

export function gradeList(grades: Grades): Markup {
  return markup`<dl class="grades">${gradeNames.map(
    name => markup`<div><dt><i class="i-${name}"></i>${capital(name)}</dt><dd><b>${humanBytes(grades[name])}</b>
<small>${percent(grades[name], grades.bytesAbroad)} · ${meanings[name]}</small></dd></div>`,
  )}</dl>`
}

export function gradeKey(): Markup {
  return markup`${gradeNames.map(name => markup`<span><i class="i-${name}"></i>${capital(name)}</span>`)}`
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
