import { createHash } from 'node:crypto'
import { canonicalJson } from '../../core/canonical-json.ts'
import type { AuditReport, DetectionReport } from './report-types.ts'

/** Of STIX 2.1, section 2.9: ids of observables are version 5 UUIDs of what they say, under this name space. */
const observableSpace = '00abedb4-aa42-466c-9c01-fed23315a9b7'
/** Of everything else that is named here. */
const ownSpace = '6f1d3c7e-52a4-4b0e-9c38-1f0a7d2b9e45'
const protocols: Readonly<Record<number, string>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  47: 'gre',
  50: 'esp',
  58: 'icmp6',
}

type StixObject = { readonly id: string; readonly type: string; readonly [key: string]: unknown }

/**
 * What was detected with an address of its own, as a bundle of STIX 2.1: the traffic as observed data, the techniques of
 * MITRE ATT&CK as attack patterns, and sightings that join them. The same report gives the same ids. Detections that are
 * marked as expected are left out: they are no intelligence.
 */
export function stixReport(report: AuditReport): string {
  const objects = new Map<string, StixObject>()
  const put = (object: StixObject): string => {
    objects.set(object.id, object)
    return object.id
  }
  const when = report.generated
  const common = { spec_version: '2.1', created: when, modified: when }
  const identity = put({
    type: 'identity',
    id: idOf('identity', 'Holdfast audit'),
    ...common,
    name: 'Holdfast audit',
    identity_class: 'system',
  })
  for (const { server, detections } of report.servers) {
    for (const detection of detections) {
      const traffic = detection.expected === null ? trafficOf(detection, put) : null
      if (traffic === null) continue
      const observed = put({
        type: 'observed-data',
        id: idOf('observed-data', `${when} ${detection.key}`),
        ...common,
        created_by_ref: identity,
        first_observed: detection.from,
        last_observed: detection.until,
        number_observed: Math.min(999_999_999, Math.max(1, Math.round(detection.connections))),
        object_refs: traffic,
        labels: [detection.kind, `server:${server}`],
      })
      for (const { id, name } of detection.attack) {
        const pattern = put({
          type: 'attack-pattern',
          id: idOf('attack-pattern', id),
          ...common,
          name,
          external_references: [
            {
              source_name: 'mitre-attack',
              external_id: id,
              url: `https://attack.mitre.org/techniques/${id.replace('.', '/')}`,
            },
          ],
        })
        put({
          type: 'sighting',
          id: idOf('sighting', `${when} ${detection.key} ${id}`),
          ...common,
          created_by_ref: identity,
          description: detection.reason,
          first_seen: detection.from,
          last_seen: detection.until,
          sighting_of_ref: pattern,
          observed_data_refs: [observed],
          confidence: detection.score,
        })
      }
    }
  }
  const bundle = { type: 'bundle', id: idOf('bundle', when), objects: [...objects.values()] }
  return `${JSON.stringify(bundle, null, 2)}\n`
}

/** The observables of a detection; `null` for one that is of no single address. */
function trafficOf(detection: DetectionReport, put: (object: StixObject) => string): string[] | null {
  const { destination } = detection
  if (destination === null || destination.address === null) return null
  const type = destination.address.includes(':') ? 'ipv6-addr' : 'ipv4-addr'
  const address = put({
    type,
    spec_version: '2.1',
    id: idOf(type, canonicalJson({ value: destination.address }), observableSpace),
    value: destination.address,
  })
  const { service } = destination
  const names = service === null ? ['ip'] : ['ip', protocols[service.protocol] ?? `proto-${service.protocol}`]
  const port = service === null || service.port === null ? {} : portOf(service.role, service.port)
  const said = { dst_ref: address, protocols: names, ...port, start: detection.from }
  const traffic = put({
    type: 'network-traffic',
    spec_version: '2.1',
    id: idOf('network-traffic', canonicalJson(said), observableSpace),
    ...said,
    end: detection.until,
    src_byte_count: Math.round(detection.bytes),
  })
  return [address, traffic]
}

function portOf(role: 'sent' | 'answered', port: number): { readonly [key: string]: number } {
  return role === 'sent' ? { dst_port: port } : { src_port: port }
}

/** RFC 9562, version 5. */
function idOf(type: string, name: string, space: string = ownSpace): string {
  const hash = createHash('sha1')
    .update(Buffer.from(space.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest()
  hash[6] = (hash[6]! & 0x0f) | 0x50
  hash[8] = (hash[8]! & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return `${type}--${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`
}
