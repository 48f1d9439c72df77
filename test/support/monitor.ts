/** A provider that can show anything, and a monitor that looks at it; both in memory. */
import { randomBytes } from 'node:crypto'
import type { Finding, MonitorAlertKind } from '../../src/cli/monitor/finding.ts'
import type { LogSource } from '../../src/cli/monitor/log-source.ts'
import { type LookDeps, look } from '../../src/cli/monitor/look.ts'
import { type MonitorState, newState } from '../../src/cli/monitor/monitor-state.ts'
import { createMemoryTileStore } from '../../src/ledger/memory-tile-store.ts'
import { emptyEdge, TileBuilder } from '../../src/ledger/tile-builder.ts'
import { printCheckpoint } from '../../src/verify/checkpoint-text.ts'
import { type Cosigner, printCosignature } from '../../src/verify/cosignature.ts'
import { encodeLeaf, labelOf } from '../../src/verify/leaf.ts'
import { type NoteSigner, printNote } from '../../src/verify/note.ts'
import { printVerifierKey } from '../../src/verify/verifier-key.ts'
import { crypto, makeSigner } from './ledger.ts'

/** When the logs of these tests begin. */
export const startMs = Date.UTC(2026, 0, 2)

/** A leaf of a tenant's number, or of nobody that is known. */
export function makeLeaf(chainKey: Uint8Array | null, seq: number, timeUnixMs = startMs + seq): Uint8Array {
  const label = chainKey === null ? randomBytes(32) : labelOf(chainKey, seq, crypto)
  return encodeLeaf({ timeUnixMs, label, commitment: randomBytes(32) })
}

export function strangers(count: number, timeUnixMs = startMs): Uint8Array[] {
  return Array.from({ length: count }, () => makeLeaf(null, 0, timeUnixMs))
}

export interface Provider {
  readonly signer: NoteSigner
  readonly vkey: string
  /** By path. */
  readonly resources: Map<string, Uint8Array>
  readonly source: LogSource
  /** What a log of these leaves has, signed; nothing is published. */
  checkpoint(leaves: readonly Uint8Array[], cosigned?: readonly (readonly [Cosigner, number])[]): string
  /** Publishes it with all tiles, in place of what is there; the note. */
  show(leaves: readonly Uint8Array[], cosigned?: readonly (readonly [Cosigner, number])[]): string
}

export function createProvider(signer = makeSigner()): Provider {
  const resources = new Map<string, Uint8Array>()
  const { read } = createMemoryTileStore(resources)
  const build = (leaves: readonly Uint8Array[]): TileBuilder => {
    const builder = new TileBuilder(crypto, emptyEdge)
    for (const leaf of leaves) builder.append(leaf)
    return builder
  }
  const sign = (builder: TileBuilder, cosigned: readonly (readonly [Cosigner, number])[] = []): string => {
    const text = printCheckpoint({ origin: signer.name, size: builder.size, root: builder.root() })
    return (
      printNote(text, signer, crypto) + cosigned.map(([key, at]) => printCosignature(text, at, key)).join('')
    )
  }
  return {
    signer,
    vkey: printVerifierKey(signer.name, signer.publicKey, crypto),
    resources,
    source: { name: 'the log', read: async path => resources.get(path) ?? read(path) },
    checkpoint: (leaves, cosigned) => sign(build(leaves), cosigned),
    show(leaves, cosigned) {
      const builder = build(leaves)
      for (const { path, bytes } of [...builder.takeFull(), ...builder.takePartials()])
        resources.set(path, bytes)
      const note = sign(builder, cosigned)
      resources.set('checkpoint', Buffer.from(note))
      return note
    },
  }
}

export interface TestMonitor {
  /** What this look found, and what it says of it. */
  look(nowUnixMs?: number, change?: Partial<LookDeps>): Promise<readonly Finding[]>
  kinds(nowUnixMs?: number, change?: Partial<LookDeps>): Promise<MonitorAlertKind[]>
  state: MonitorState
}

export function createTestMonitor(
  vkey: string,
  source: LogSource,
  deps: Partial<LookDeps> = {},
): TestMonitor {
  const monitor: TestMonitor = {
    state: newState(vkey, startMs),
    async look(nowUnixMs = startMs + 3600e3, change = {}) {
      const findings: Finding[] = []
      // As it would come from the disk.
      const before = JSON.parse(JSON.stringify(monitor.state)) as MonitorState
      monitor.state = await look(before, {
        source,
        peers: [],
        chain: null,
        policy: null,
        statements: [],
        found: finding => findings.push(finding),
        save: async state => {
          monitor.state = state
        },
        nowUnixMs,
        staleMs: 600e3,
        toleranceMs: 600e3,
        samples: 100,
        random: Math.random,
        held: { chain: null, size: 0, counted: new Map() },
        ...deps,
        ...change,
      })
      return findings
    },
    kinds: async (nowUnixMs, change) => (await monitor.look(nowUnixMs, change)).map(({ kind }) => kind),
  }
  return monitor
}
