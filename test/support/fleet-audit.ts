import { sourcesOf } from '../../bench/fleet/audit-sources.ts'
import { createFleet, type Fleet, type FleetShape } from '../../bench/fleet/generate.ts'
import { type Audit, type AuditSources, auditFlows } from '../../src/pipes/flow.ts'

const header =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n'

/** A small fleet's records in memory, and what the audit says of them. */
export async function auditFleet(
  shape: FleetShape,
  change: Partial<AuditSources> = {},
): Promise<Audit & { readonly fleet: Fleet }> {
  const fleet = createFleet(shape)
  const days: Buffer[] = []
  for (let day = 0; day < shape.days; day++) {
    let text = header
    for (const row of fleet.day(day))
      text += `2 123456789012 ${row.observer} ${row.src} ${row.dst} ${row.srcPort} ${row.dstPort} ${row.protocol} ${row.packets} ${row.bytes} ${row.startSeconds} ${row.endSeconds} ACCEPT OK\n`
    days.push(Buffer.from(text))
  }
  const audit = await auditFlows({
    flows: days.map((bytes, day) => ({
      name: `day-${day}.log`,
      open: async function* () {
        yield bytes
      },
    })),
    ...sourcesOf(fleet),
    engine: { memoryMiB: 256, threads: 2 },
    nowUnixMs: Date.UTC(2026, 9, 5),
    ...change,
  })
  return { ...audit, fleet }
}
