import type { DetectionKind } from './detection.ts'

/** A technique of MITRE ATT&CK (Enterprise), as its site numbers and names it. */
export type Technique = { readonly id: string; readonly name: string }

const known = {
  T1020: 'Automated Exfiltration',
  T1029: 'Scheduled Transfer',
  T1030: 'Data Transfer Size Limits',
  T1041: 'Exfiltration Over C2 Channel',
  T1048: 'Exfiltration Over Alternative Protocol',
  'T1048.003': 'Exfiltration Over Unencrypted Non-C2 Protocol',
  'T1071.004': 'Application Layer Protocol: DNS',
  T1071: 'Application Layer Protocol',
  T1095: 'Non-Application Layer Protocol',
  T1537: 'Transfer Data to Cloud Account',
  T1567: 'Exfiltration Over Web Service',
  'T1567.002': 'Exfiltration to Cloud Storage',
  T1572: 'Protocol Tunneling',
} as const

type TechniqueId = keyof typeof known

const byKind: Readonly<Record<DetectionKind, readonly TechniqueId[]>> = {
  beacon: ['T1071', 'T1041', 'T1029'],
  'long-connection': ['T1041', 'T1572'],
  'first-seen': ['T1567', 'T1537'],
  'upload-ratio': ['T1048', 'T1567.002'],
  schedule: ['T1029', 'T1020'],
  'volume-change': ['T1020', 'T1048'],
  'slow-drip': ['T1030', 'T1029'],
  'dns-tunnel': ['T1071.004', 'T1048.003', 'T1572'],
  'icmp-tunnel': ['T1095', 'T1048.003'],
  'cover-protocol': ['T1048.003', 'T1572'],
  'fan-out': ['T1030', 'T1048'],
}

/** What each kind of detection would be a sign of, if it is one. */
export const techniques: Readonly<Record<DetectionKind, readonly Technique[]>> = Object.fromEntries(
  Object.entries(byKind).map(([kind, ids]) => [kind, ids.map(id => ({ id, name: known[id] }))]),
) as unknown as Record<DetectionKind, readonly Technique[]>
