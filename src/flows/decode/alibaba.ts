import type { VpcLogFormat } from './vpc-log.ts'

/** Alibaba Cloud VPC flow logs, in the order their documentation lists the fields. */
export const alibabaFlowLog: VpcLogFormat = {
  name: 'Alibaba Cloud flow log',
  defaultColumns: [
    'version',
    'vswitch-id',
    'vm-id',
    'vpc-id',
    'account-id',
    'eni-id',
    'region',
    'srcaddr',
    'srcport',
    'dstaddr',
    'dstport',
    'protocol',
    'direction',
    'packets',
    'bytes',
    'start',
    'end',
    'log-status',
    'action',
    'tcp-flags',
    'traffic-path',
  ],
  srcAddr: ['srcaddr'],
  dstAddr: ['dstaddr'],
  direction: { column: 'direction', in: 'in', out: 'out' },
  observer: ['eni-id', 'vm-id'],
}
