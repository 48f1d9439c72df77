import { wifi, wifiBehindRadiotap } from './link-wifi.ts'

/** Where the IP packet starts in a captured frame; link types as the tcpdump project numbers them. */
export type IpStart = { readonly at: number; readonly direction: 'in' | 'out' | null }

export type LinkParser = (frame: Buffer) => IpStart | string

/** A frame that is no IP packet is answered with the reason, which is counted. */
export const linkTypes: Readonly<Record<number, LinkParser>> = {
  0: frame => (frame.length < 4 ? tooShort : here(4)), // NULL: a family number in the capturer's byte order
  1: ethernet,
  9: frame => pppFrame(frame, 0),
  12: () => here(0), // RAW, as some systems number it
  14: () => here(0),
  50: frame => pppFrame(frame, 0), // PPP in HDLC-like framing
  51: frame => (frame.length < 6 ? tooShort : pppProtocol(frame, 6, null)), // PPPoE without its Ethernet
  101: () => here(0), // RAW
  104: ciscoHdlc,
  105: frame => wifi(frame, 0, behindLlc),
  108: frame => (frame.length < 4 ? tooShort : here(4)), // LOOP
  109: frame => (frame.length < 12 ? tooShort : here(12)), // ENC, of IPsec interfaces
  113: linuxCooked,
  117: frame => (frame.length < 4 ? tooShort : here((frame[0]! + 3) & ~3)), // PFLOG: its first byte is its length
  127: frame => wifiBehindRadiotap(frame, behindLlc),
  219: frame => behindMpls(frame, 0, null),
  228: () => here(0), // IPV4
  229: () => here(0), // IPV6
  276: linuxCooked2,
}

const tooShort = 'frame shorter than its link header'
const maxTags = 8

function here(at: number, direction: IpStart['direction'] = null): IpStart {
  return { at, direction }
}

function ethernet(frame: Buffer): IpStart | string {
  if (frame.length < 14) return tooShort
  return afterEtherType(frame, frame.readUInt16BE(12), 14, null)
}

/** LINKTYPE_LINUX_SLL: 16 bytes; the packet type 4 is one that this host sent. */
function linuxCooked(frame: Buffer): IpStart | string {
  if (frame.length < 16) return tooShort
  const direction = frame.readUInt16BE(0) === 4 ? 'out' : 'in'
  return afterEtherType(frame, frame.readUInt16BE(14), 16, direction)
}

/** LINKTYPE_LINUX_SLL2: 20 bytes, the protocol first. */
function linuxCooked2(frame: Buffer): IpStart | string {
  if (frame.length < 20) return tooShort
  const direction = frame[10] === 4 ? 'out' : 'in'
  return afterEtherType(frame, frame.readUInt16BE(0), 20, direction)
}

/** Address, control, and an EtherType where PPP has its protocol. */
function ciscoHdlc(frame: Buffer): IpStart | string {
  return frame.length < 4 ? tooShort : afterEtherType(frame, frame.readUInt16BE(2), 4, null)
}

/** RFC 1662: the address and control bytes may be left out. */
function pppFrame(frame: Buffer, at: number): IpStart | string {
  if (frame.length < at + 4) return tooShort
  return pppProtocol(frame, frame[at] === 0xff && frame[at + 1] === 0x03 ? at + 2 : at, null)
}

function pppProtocol(frame: Buffer, at: number, direction: IpStart['direction']): IpStart | string {
  if (frame.length < at + 2) return tooShort
  // RFC 1661 section 6.5: an odd first byte is the whole number.
  const isShort = (frame[at]! & 1) === 1
  const protocol = isShort ? frame[at]! : frame.readUInt16BE(at)
  const next = at + (isShort ? 1 : 2)
  if (protocol === 0x0021 || protocol === 0x0057) return here(next, direction)
  if (protocol === 0x0281) return behindMpls(frame, next, direction)
  return 'not IP: PPP control'
}

/** Labels of four bytes until the bottom of the stack (RFC 3032); what is below, its first bits say (RFC 4928). */
function behindMpls(frame: Buffer, from: number, direction: IpStart['direction']): IpStart | string {
  let at = from
  while (frame.length >= at + 4 && (frame[at + 2]! & 1) === 0) at += 4
  at += 4
  if (frame.length <= at) return tooShort
  const first = frame[at]! >> 4
  if (first === 4 || first === 6) return here(at, direction)
  // A pseudowire of Ethernet: with a control word (RFC 4448), or without.
  const inner = first === 0 ? at + 4 : at
  if (frame.length < inner + 14) return tooShort
  return afterEtherType(frame, frame.readUInt16BE(inner + 12), inner + 14, direction)
}

/** IEEE 802.2: only a SNAP header of no organisation leads to an EtherType. */
function behindLlc(frame: Buffer, at: number, direction: IpStart['direction']): IpStart | string {
  if (frame.length < at + 8) return tooShort
  const isSnap = frame[at] === 0xaa && frame[at + 1] === 0xaa && frame[at + 2] === 3
  if (!isSnap) return 'not IP: IEEE 802.3 frame'
  return afterEtherType(frame, frame.readUInt16BE(at + 6), at + 8, direction)
}

function afterEtherType(
  frame: Buffer,
  firstType: number,
  firstAt: number,
  direction: IpStart['direction'],
): IpStart | string {
  let type = firstType
  let at = firstAt
  for (let tags = 0; tags < maxTags; tags++) {
    switch (type) {
      case 0x0800:
      case 0x86dd:
        return here(at, direction)
      case 0x8100: // VLAN tags, IEEE 802.1Q and 802.1ad
      case 0x88a8:
      case 0x9100:
      case 0x9200:
        if (frame.length < at + 4) return tooShort
        type = frame.readUInt16BE(at + 2)
        at += 4
        break
      case 0x88e7: // IEEE 802.1ah: a service tag, then the customer's whole frame
        if (frame.length < at + 18) return tooShort
        type = frame.readUInt16BE(at + 16)
        at += 18
        break
      case 0x8864: // PPPoE session (RFC 2516)
        return pppProtocol(frame, at + 6, direction)
      case 0x8847: // MPLS
      case 0x8848:
        return behindMpls(frame, at, direction)
      case 0x88e5:
        return 'not IP: MACsec, which is encrypted'
      default:
        if (type < 0x600) {
          return frame[at] === 0xaa ? behindLlc(frame, at, direction) : 'not IP: IEEE 802.3 frame'
        }
        return `not IP: ethertype 0x${type.toString(16).padStart(4, '0')}`
    }
  }
  return 'frame with too many VLAN tags'
}
