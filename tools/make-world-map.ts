/**
 * Draws `src/flows/report/world-map.json` from Natural Earth's outlines (public domain, as the world-atlas package
 * ships them): a path and a centre for each ISO 3166-1 alpha-2 code, in the Equal Earth projection. Run by hand when
 * the outlines change; the result is committed, so that a report needs neither network nor these packages.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

type Ring = readonly (readonly [number, number])[]
type Geometry = { readonly type: string; readonly id?: string; readonly arcs: never }
type Topology = {
  readonly arcs: readonly (readonly [number, number])[][]
  readonly transform: { readonly scale: [number, number]; readonly translate: [number, number] }
  readonly objects: { readonly countries: { readonly geometries: readonly Geometry[] } }
}

const width = 2000
const require = createRequire(import.meta.url)
const read = (file: string) => JSON.parse(readFileSync(require.resolve(file), 'utf8'))
const alpha2ByNumber = new Map<string, string>(
  (read('i18n-iso-countries/codes.json') as [string, string, string][]).map(([two, , number]) => [
    number,
    two,
  ]),
)

/** Šavrič, Patterson and Jenny (2018): the polynomial of the Equal Earth projection. */
function project([longitude, latitude]: readonly [number, number]): [number, number] {
  const [a1, a2, a3, a4] = [1.340264, -0.081106, 0.000893, 0.003796]
  const lambda = (longitude * Math.PI) / 180
  const theta = Math.asin((Math.sqrt(3) / 2) * Math.sin((latitude * Math.PI) / 180))
  const t2 = theta * theta
  const t6 = t2 * t2 * t2
  const slope = a1 + 3 * a2 * t2 + t6 * (7 * a3 + 9 * a4 * t2)
  const x = (2 * Math.sqrt(3) * lambda * Math.cos(theta)) / (3 * slope)
  const y = theta * (a1 + a2 * t2 + t6 * (a3 + a4 * t2))
  const scale = width / (2 * 2.7066299836)
  return [width / 2 + x * scale, 1.3173627591 * scale - y * scale]
}

function ringsByCountry(file: string): Map<string, Ring[]> {
  const topology = read(file) as Topology
  const { scale, translate } = topology.transform
  const arcs = topology.arcs.map(arc => {
    let x = 0
    let y = 0
    return arc.map(([dx, dy]): [number, number] => {
      x += dx
      y += dy
      return [x * scale[0] + translate[0], y * scale[1] + translate[1]]
    })
  })
  const ringOf = (indices: readonly number[]): Ring =>
    indices
      .flatMap((index, i) => (index < 0 ? arcs[~index]!.toReversed() : arcs[index]!).slice(i === 0 ? 0 : 1))
      .map(project)
  const rings = new Map<string, Ring[]>()
  for (const geometry of topology.objects.countries.geometries) {
    const code = alpha2ByNumber.get(geometry.id ?? '') ?? ''
    const polygons: number[][][] = geometry.type === 'Polygon' ? [geometry.arcs] : geometry.arcs
    rings.set(code, [...(rings.get(code) ?? []), ...polygons.flatMap(polygon => polygon.map(ringOf))])
  }
  return rings
}

function area(ring: Ring): number {
  let sum = 0
  for (const [i, [x, y]] of ring.entries()) {
    const [nextX, nextY] = ring[(i + 1) % ring.length]!
    sum += x * nextY - nextX * y
  }
  return sum / 2
}

function centre(rings: readonly Ring[]): [number, number] {
  const ring = rings.toSorted((a, b) => Math.abs(area(b)) - Math.abs(area(a)))[0]!
  let x = 0
  let y = 0
  for (const [i, point] of ring.entries()) {
    const next = ring[(i + 1) % ring.length]!
    const cross = point[0] * next[1] - next[0] * point[1]
    x += (point[0] + next[0]) * cross
    y += (point[1] + next[1]) * cross
  }
  const six = 6 * area(ring)
  return six === 0 ? [...ring[0]!] : [Math.round(x / six), Math.round(y / six)]
}

/** A ring that crosses the map's edge (Russia, Fiji) is cut there, or its outline would run across the whole map. */
function splitAtEdge(ring: Ring): Ring[] {
  const runs: [number, number][][] = [[]]
  for (const [i, [x, y]] of ring.entries()) {
    if (i > 0 && Math.abs(x - ring[i - 1]![0]) > width / 2) runs.push([])
    runs.at(-1)!.push([x, y])
  }
  if (runs.length > 1) runs[0] = [...runs.pop()!, ...runs[0]!]
  return runs.filter(run => run.length > 2)
}

function path(rings: readonly Ring[]): string {
  let out = ''
  for (const ring of rings.flatMap(splitAtEdge)) {
    const points = ring.map(([x, y]) => [Math.round(x), Math.round(y)] as const)
    let [fromX, fromY] = points[0]!
    let lines = ''
    for (const [x, y] of points.slice(1)) {
      if (x === fromX && y === fromY) continue
      lines += `${x < fromX ? '' : ' '}${x - fromX}${y < fromY ? '' : ' '}${y - fromY}`
      ;[fromX, fromY] = [x, y]
    }
    if (lines !== '') out += `M${points[0]![0]} ${points[0]![1]}l${lines.trim()}z`
  }
  return out
}

const shapes = ringsByCountry('world-atlas/countries-110m.json')
const precise = ringsByCountry('world-atlas/countries-50m.json')
shapes.delete('AQ')
const others = path(shapes.get('') ?? [])
const countries: Record<string, { at: [number, number]; path: string }> = {}
for (const code of [...precise.keys()].filter(key => key !== '' && key !== 'AQ').sort()) {
  countries[code] = { at: centre(precise.get(code)!), path: path(shapes.get(code) ?? []) }
}
const target = join(import.meta.dirname, '..', 'src', 'flows', 'report', 'world-map.json')
writeFileSync(target, `${JSON.stringify({ width, height: 860, others, countries })}\n`)
console.log(`${Object.keys(countries).length} countries, ${readFileSync(target).length} bytes`)
