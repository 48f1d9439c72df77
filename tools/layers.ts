/**
 * The layer check: imports go down the list only, and connections out leave from `src/outbound/` alone.
 * Exits 1 and names every line that breaks a rule.
 */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

const root = join(import.meta.dirname, '..')

/** Bottom to top; `docs/decisions/0001-layers.md` says where and why this differs from the first design. */
const layers = [
  'core',
  'crypto',
  'verify',
  'policy',
  'store',
  'ledger',
  'keys',
  'outbound',
  'witness',
  'backup',
  'instructions',
  'transfers',
  's3',
  'flows',
  'pipes',
  'api',
  'cli',
]

/** What opens a connection, by module. The command line is the customer's own client, so it may. */
const dialers: Readonly<Record<string, RegExp>> = {
  'node:net': /\b(?:connect|createConnection|Socket)\b/,
  'node:tls': /\b(?:connect|TLSSocket)\b/,
  'node:http': /\b(?:request|get|ClientRequest)\b/,
  'node:https': /\b(?:request|get)\b/,
  'node:http2': /\bconnect\b/,
  'node:dgram': /./,
}
const mayDial = ['outbound', 'cli']
/** Files that open a UDP socket only to receive. */
const mayListenUdp = ['src/flows/collect/udp-socket.ts']
/** Verify runs offline and in a browser, and core and crypto under it must not pull in more than it can have. */
const nodeFree = ['core', 'verify']

const faults: string[] = []

function layerOf(file: string): number {
  const [top, ...rest] = relative(join(root, 'src'), file).split(/[\\/]/)
  return rest.length === 0 ? layers.length : layers.indexOf(top ?? '')
}

for (const file of globSync('src/**/*.ts', { cwd: root }).map(name => join(root, name))) {
  const name = relative(root, file)
  const text = readFileSync(file, 'utf8')
  const layer = layerOf(file)
  const layerName = layers[layer] ?? 'app'
  if (layer < 0) faults.push(`${name}: its folder is in no layer`)
  const imports = text.matchAll(
    /^\s*(?:import|export)\s+([\w\s{},*$]+?)\s+from\s+['"]([^'"]+)['"]|^\s*import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm,
  )
  for (const match of imports) {
    const names = match[1] ?? '*'
    const target = match[2] ?? match[3] ?? match[4]!
    const line = text.slice(0, match.index).split('\n').length
    const where = `${name}:${line}`
    if (target.endsWith('/mint.ts') && layerName !== 'policy') {
      faults.push(`${where}: only a decider in src/policy/ mints Authorized`)
    }
    if (target.startsWith('.')) {
      const other = layerOf(normalize(join(dirname(file), target)))
      if (other > layer) faults.push(`${where}: ${layerName} may not import ${target}, which is above it`)
      if (layerName === 'verify' && !['core', 'crypto', 'verify'].includes(layers[other] ?? '')) {
        faults.push(`${where}: verify may import core and crypto only`)
      }
      continue
    }
    if (target.startsWith('node:') && nodeFree.includes(layerName) && !names.startsWith('type ')) {
      faults.push(`${where}: ${layerName} runs in a browser too and may not import ${target}`)
    }
    const dialer = dialers[target]
    if (dialer?.test(names.replace(/\btype\s+\w+/g, '')) && !names.startsWith('type ')) {
      if (!mayDial.includes(layerName) && !mayListenUdp.includes(name)) {
        faults.push(`${where}: connections out leave through src/outbound/ only`)
      }
    }
  }
  // `operation.ts` only narrows what it was given; any other cast would be a proof that nobody gave.
  if (
    /\bas (?:unknown as )?Authorized</.test(text) &&
    !['src/policy/mint.ts', 'src/s3/operation.ts'].includes(name)
  ) {
    faults.push(`${name}: only a decider in src/policy/ mints Authorized`)
  }
  if (!mayDial.includes(layerName)) {
    for (const match of text.matchAll(/(?<![\w.])fetch\s*\(|\bnew WebSocket\b/g)) {
      const line = text.slice(0, match.index).split('\n').length
      faults.push(`${name}:${line}: connections out leave through src/outbound/ only`)
    }
  }
}

for (const fault of faults) console.error(fault)
console.log(faults.length === 0 ? 'layers: in order' : `layers: ${faults.length} fault(s)`)
process.exitCode = faults.length === 0 ? 0 : 1
