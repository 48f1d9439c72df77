import { type GradeName, gradeKey, gradeNames } from './html-parts.ts'
import { type Markup, markup, trusted } from './markup.ts'
import type { Grades, ServerReport } from './report-types.ts'
import { countryName, humanBytes } from './units.ts'
import world from './world-map.json' with { type: 'json' }

type Point = readonly [x: number, y: number]
type Country = { readonly at: number[]; readonly path: string }
type Amounts = { -readonly [Name in GradeName]: number } & { bytesAbroad: number }
type Target = Amounts & { readonly homes: Map<string, Amounts> }

const countries: Readonly<Record<string, Country>> = world.countries
const maxTags = 6

/** Where the bytes went, as arcs from the servers' countries; only what the records show is drawn. */
export function worldMap(servers: readonly ServerReport[]): Markup {
  const targets = new Map<string, Target>()
  const doubts = new Map<string, { home: string; to: string; bytes: number }>()
  for (const { country: home, destinations } of servers) {
    for (const destination of destinations) {
      if (destination.country === null) {
        for (const to of destination.candidates.filter(candidate => candidate !== home)) {
          const key = `${home} ${to}`
          const known = doubts.get(key)
          doubts.set(key, { home, to, bytes: (known?.bytes ?? 0) + destination.bytes })
        }
      } else {
        addTo(targets, destination.country, home, destination)
      }
    }
  }
  const homes = new Set(servers.map(({ country }) => country))
  const most = Math.max(1, ...[...targets.values()].map(({ bytesAbroad }) => bytesAbroad))
  const ranked = [...targets]
    .filter(([code]) => countries[code] !== undefined)
    .sort((a, b) => b[1].bytesAbroad - a[1].bytesAbroad)
  return markup`<figure class="card map" style="margin:0">
<svg viewBox="0 0 ${world.width} ${world.height}" role="img" aria-label="World map of destinations; the table below says the same in numbers">
<path class="land" d="${trusted(world.others)}"/>
${Object.entries(countries)
  .filter(([, { path }]) => path !== '')
  .map(([code, { path }]) => {
    const kind = homes.has(code) ? ' from' : targets.has(code) ? ' to' : ''
    return markup`<path class="land${kind}" d="${trusted(path)}"/>`
  })}
${[...doubts.values()].map(({ home, to }) => arc(home, to, 'disputed', 6, 4))}
${ranked.toReversed().map(([code, target]) => arcsTo(code, target, most))}
${ranked.map(([code, target]) => mark(code, target, most))}
${[...homes].map(code => origin(code))}
${ranked.slice(0, maxTags).map(([code, target]) => tag(code, target, most))}
</svg>
<figcaption class="key"><span><i class="hole"></i>Servers</span>${gradeKey()}<span>Area of a mark: bytes · dotted: could be there</span></figcaption>
</figure>`
}

function noAmounts(): Amounts {
  return { bytesAbroad: 0, unexplained: 0, disputed: 0, claimed: 0, instructed: 0 }
}

function addTo(targets: Map<string, Target>, code: string, home: string, grades: Grades): void {
  const target: Target = targets.get(code) ?? { ...noAmounts(), homes: new Map() }
  targets.set(code, target)
  const fromHome = target.homes.get(home) ?? noAmounts()
  target.homes.set(home, fromHome)
  for (const sums of [target, fromHome]) {
    sums.bytesAbroad += grades.bytesAbroad
    for (const name of gradeNames) sums[name] += grades[name]
  }
}

function pointOf(code: string): Point | null {
  const at = countries[code]?.at
  return at === undefined ? null : [at[0]!, at[1]!]
}

/** One arc a grade, side by side, the gravest on top: a thin red line beside a thick green one says how much. */
function arcsTo(code: string, target: Target, most: number): Markup[] {
  const arcs: Markup[] = []
  for (const [home, amounts] of target.homes) {
    const present = gradeNames.filter(name => amounts[name] > 0)
    for (const [lane, name] of present.toReversed().entries()) {
      const drawn = arc(home, code, name, 3 + 11 * Math.sqrt(amounts[name] / most), lane)
      if (drawn !== null) arcs.push(drawn)
    }
  }
  return arcs
}

function arc(from: string, to: string, grade: GradeName, width: number, lane: number): Markup | null {
  const start = pointOf(from)
  const end = pointOf(to)
  if (start === null || end === null) return null
  const [dx, dy] = [end[0] - start[0], end[1] - start[1]]
  // Bent upwards, as routes are drawn; the longer the flatter. Lanes keep arcs between the same two places apart.
  const lift = Math.min(170, 40 + 0.16 * Math.hypot(dx, dy)) + 22 * lane
  const control = `${Math.round(start[0] + dx / 2)} ${Math.round(start[1] + dy / 2 - lift)}`
  const doubt = grade === 'disputed' ? ' doubt' : ''
  return markup`<path class="arc g-${grade}${doubt}" stroke-width="${width.toFixed(1)}" d="M${start[0]} ${start[1]}Q${control} ${end[0]} ${end[1]}"/>`
}

function radius(bytes: number, most: number): number {
  return 9 + 27 * Math.sqrt(bytes / most)
}

/** A pie: its area is the bytes, its slices the grades. */
function mark(code: string, target: Target, most: number): Markup | null {
  const at = pointOf(code)
  if (at === null) return null
  const size = radius(target.bytesAbroad, most)
  const title = `${countryName(code)}: ${humanBytes(target.bytesAbroad)}; ${gradeNames
    .filter(name => target[name] > 0)
    .map(name => `${humanBytes(target[name])} ${name}`)
    .join(', ')}`
  let angle = -Math.PI / 2
  const slices: Markup[] = []
  for (const name of gradeNames) {
    const share = target[name] / Math.max(1, target.bytesAbroad)
    if (share <= 0) continue
    if (share > 0.999) {
      slices.push(markup`<circle class="f-${name}" cx="${at[0]}" cy="${at[1]}" r="${size.toFixed(1)}"/>`)
      break
    }
    const from = around(at, size, angle)
    angle += share * 2 * Math.PI
    const large = share > 0.5 ? 1 : 0
    slices.push(
      markup`<path class="f-${name}" d="M${at[0]} ${at[1]}L${from}A${size.toFixed(1)} ${size.toFixed(1)} 0 ${large} 1 ${around(at, size, angle)}z"/>`,
    )
  }
  return markup`<g><title>${title}</title>${slices}<circle class="ring" cx="${at[0]}" cy="${at[1]}" r="${(size + 1.5).toFixed(1)}"/></g>`
}

function around([x, y]: Point, size: number, angle: number): string {
  return `${(x + size * Math.cos(angle)).toFixed(1)} ${(y + size * Math.sin(angle)).toFixed(1)}`
}

function origin(code: string): Markup | null {
  const at = pointOf(code)
  if (at === null) return null
  return markup`<g><title>Servers in ${countryName(code)}</title><circle class="origin" cx="${at[0]}" cy="${at[1]}" r="11"/></g>`
}

function tag(code: string, target: Target, most: number): Markup | null {
  const at = pointOf(code)
  if (at === null) return null
  const isRight = at[0] < world.width - 330
  const x = at[0] + (isRight ? 1 : -1) * (radius(target.bytesAbroad, most) + 10)
  const anchor = isRight ? 'start' : 'end'
  return markup`<text class="tag" x="${x.toFixed(0)}" y="${at[1] + 9}" text-anchor="${anchor}">${countryName(code)} ${humanBytes(target.bytesAbroad)}</text>`
}
