import type { AuditReport, DetectionReport, Finding, ServerReport } from './report-types.ts'

/** The version of the Open Cybersecurity Schema Framework whose fields these are. */
const ocsfVersion = '1.3.0'
const detectionFinding = 2004
const create = 1
const severities: Readonly<Record<Finding['severity'], number>> = { info: 1, low: 2, medium: 3, high: 4 }
const product = { name: 'Holdfast audit', vendor_name: 'Holdfast' }

/**
 * Findings and detections as OCSF events of class Detection Finding (2004), a JSON object a line. Times are milliseconds
 * since 1970.
 */
export function ocsfReport(report: AuditReport): string {
  const time = Date.parse(report.generated)
  const events = report.servers.flatMap(server => [
    ...server.detections.map(detection => ofDetection(server, detection, time)),
    // Detections are among the findings too, in words; here they stand once.
    ...server.findings
      .filter(({ kind }) => !server.detections.some(detection => detection.kind === kind))
      .map(finding => ofFinding(server, finding, time)),
  ])
  return events.map(event => `${JSON.stringify(event)}\n`).join('')
}

function base(severity: Finding['severity'], time: number) {
  return {
    activity_id: create,
    activity_name: 'Create',
    category_uid: 2,
    category_name: 'Findings',
    class_uid: detectionFinding,
    class_name: 'Detection Finding',
    type_uid: detectionFinding * 100 + create,
    severity_id: severities[severity],
    severity: severity === 'info' ? 'Informational' : severity.charAt(0).toUpperCase() + severity.slice(1),
    time,
    metadata: { version: ocsfVersion, product },
  }
}

function ofFinding(server: ServerReport, finding: Finding, time: number): object {
  return {
    ...base(finding.severity, time),
    status_id: 1,
    status: 'New',
    message: finding.title,
    finding_info: {
      uid: `${finding.kind}/${server.country}/${server.server}`,
      title: finding.title,
      desc: finding.detail,
      types: [finding.kind],
    },
    resources: [resourceOf(server)],
    unmapped: { ip_bytes: finding.bytes },
  }
}

function ofDetection(server: ServerReport, detection: DetectionReport, time: number): object {
  const { destination, expected } = detection
  const place = destination?.place
  const endpoint =
    destination === null
      ? {}
      : {
          dst_endpoint: {
            ...(destination.address === null ? {} : { ip: destination.address }),
            ...(detection.hostname === null ? {} : { hostname: detection.hostname }),
            ...(destination.service?.role === 'sent' && destination.service.port !== null
              ? { port: destination.service.port }
              : {}),
            ...(place?.country ? { location: { country: place.country } } : {}),
            ...(place?.asn ? { autonomous_system: { number: place.asn, name: place.asName ?? '' } } : {}),
          },
        }
  return {
    ...base(expected === null ? detection.severity : 'info', time),
    // Suppressed: looked at by a person, and in order.
    ...(expected === null ? { status_id: 1, status: 'New' } : { status_id: 3, status: 'Suppressed' }),
    ...(expected === null ? {} : { status_detail: `${expected.reason} (${expected.by})` }),
    message: detection.reason,
    confidence_score: detection.score,
    finding_info: {
      uid: detection.key,
      title: `${detection.kind} at ${server.server}`,
      desc: detection.reason,
      types: [detection.kind],
      first_seen_time: detection.fromUnixMs,
      last_seen_time: detection.untilUnixMs,
      attacks: detection.attack.map(technique => ({
        version: '16',
        technique: { uid: technique.id, name: technique.name },
      })),
    },
    resources: [resourceOf(server)],
    evidences: [
      {
        ...endpoint,
        src_endpoint: { hostname: server.server, location: { country: server.country } },
        ...(destination?.service === null || destination?.service === undefined
          ? {}
          : {
              connection_info: {
                direction_id: 2,
                direction: 'Outbound',
                protocol_num: destination.service.protocol,
              },
            }),
        data: detection.evidence,
      },
    ],
    unmapped: { ip_bytes: detection.bytes, connections: detection.connections },
  }
}

function resourceOf({ server, country }: ServerReport): object {
  return { uid: server, name: server, type: 'server', region: country }
}
