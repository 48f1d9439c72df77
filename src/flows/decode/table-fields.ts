import type { ByteBasis } from '../flow-record.ts'

/** What a row can say of a flow. `back…` is from destination to source, `both…` the sum of there and back. */
export const tableFields = [
  'srcAddr',
  'dstAddr',
  'srcPort',
  'dstPort',
  'protocol',
  'bytes',
  'packets',
  'backBytes',
  'backPackets',
  'bothBytes',
  'bothPackets',
  'start',
  'end',
  'duration',
  'direction',
  'exporter',
  'samplingRate',
] as const

export type TableField = (typeof tableFields)[number]

/**
 * Names that tools and people give to columns, letters and digits only. The first that a table has wins, so what
 * counts one direction stands before what may count both.
 */
export const columnAliases: Readonly<Record<TableField, readonly string[]>> = {
  srcAddr: words(
    'sa srcip srcaddr srcaddress srcipaddr sourceip sourceaddress sourceaddr sourceipaddress ipsrc ipv6src src4addr src6addr saddr sourceipv4address sourceipv6address ipv4srcaddr ipv6srcaddr srcipv4 srcipv6 source src srchost iporigh idorigh originip',
  ),
  dstAddr: words(
    'da dstip dstaddr dstaddress dstipaddr destip destaddr destaddress destinationip destinationaddress destinationaddr destinationipaddress ipdst ipv6dst dst4addr dst6addr daddr destinationipv4address destinationipv6address ipv4dstaddr ipv6dstaddr dstipv4 dstipv6 destination dest dst dsthost idresph',
  ),
  srcPort: words(
    'sp srcport sourceport sport portsrc spt l4srcport sourcetransportport srcpt tcpsrcport udpsrcport idorigp',
  ),
  dstPort: words(
    'dp dstport destport destinationport dport portdst dpt l4dstport destinationtransportport dstpt tcpdstport udpdstport idrespp',
  ),
  protocol: words(
    'pr proto protocol ipproto protocolidentifier prot ipprotocol networkiananumber networktransport',
  ),
  bytes: words(
    'ibyt inbytes srcbytes sbytes sourcebytes bytessent sentbytes sentbyte bytestoserver bytesout origipbytes octetdeltacount doctets octets bytes byte numbytes size iplen ipv6plen framelen length origbytes payloadbytes',
  ),
  packets: words(
    'ipkt inpackets inpkts srcpkts spkts srcpackets sourcepackets packetssent sentpackets sentpkt pktstoserver packetsout origpkts packetdeltacount dpkts packets pkts packet numpackets',
  ),
  backBytes: words(
    'obyt outbytes dstbytes dbytes destinationbytes bytesreceived receivedbytes rcvdbyte rcvdbytes bytestoclient bytesin respipbytes reverseoctetdeltacount respbytes',
  ),
  backPackets: words(
    'opkt outpackets outpkts dstpkts dstpackets destinationpackets packetsreceived receivedpackets rcvdpkt pktstoclient packetsin resppkts reversepacketdeltacount',
  ),
  bothBytes: words('totalbytes totbytes networkbytes bytestotal'),
  bothPackets: words('totalpackets totpkts networkpackets packetstotal'),
  start: words(
    'ts tsstart start starttime stime first firstseen datefirstseen timestampstart flowstart flowstarttime firstswitched flowstartmilliseconds flowstartseconds timeflowstartns timeflowstart eventstart timestampmin frametimeepoch frametime timestamp time datetime date eventtime stampinserted timereceivedns timereceived',
  ),
  end: words(
    'te end endtime ltime etime last lastseen datelastseen timestampend flowend flowendtime lastswitched flowendmilliseconds flowendseconds timeflowendns timeflowend eventend timestampmax stampupdated',
  ),
  duration: words('td duration dur flowduration elapsed elapsedtime'),
  direction: words('dir direction flowdirection flowdir biflowdirection'),
  exporter: words(
    'exporter exporterip exporteraddress ra sampleraddress samplerip routerip router agent agentip agentaddress peeripsrc deviceip observer observerip sensor interfaceid',
  ),
  samplingRate: words('samplingrate samplinginterval samplerate sampling'),
}

/** Columns whose very name says that they count something else than IP bytes. */
export const aliasBasis: Readonly<Record<string, ByteBasis>> = {
  framelen: 'frame',
  length: 'frame',
  origbytes: 'payload',
  respbytes: 'payload',
  payloadbytes: 'payload',
}

/** Columns of tables in which every row is one packet. */
export const packetAliases = new Set(['framelen', 'iplen', 'ipv6plen', 'length'])

export function plainName(column: string): string {
  return column.toLowerCase().replace(/[^a-z0-9]/g, '')
}

function words(text: string): string[] {
  return text.split(' ')
}
