import type { VpcLogFormat } from './vpc-log.ts'

/** AWS VPC flow logs, versions 2 and later. The default format has these fourteen columns. */
export const awsFlowLog: VpcLogFormat = {
  name: 'AWS flow log',
  defaultColumns: [
    'version',
    'account-id',
    'interface-id',
    'srcaddr',
    'dstaddr',
    'srcport',
    'dstport',
    'protocol',
    'packets',
    'bytes',
    'start',
    'end',
    'action',
    'log-status',
  ],
  // `srcaddr` and `dstaddr` can be the interface's primary address and not the packet's.
  srcAddr: ['pkt-srcaddr', 'srcaddr'],
  dstAddr: ['pkt-dstaddr', 'dstaddr'],
  direction: { column: 'flow-direction', in: 'ingress', out: 'egress' },
  observer: ['interface-id', 'instance-id'],
}
