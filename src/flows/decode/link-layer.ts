/** Where the IP packet starts in a captured frame; link types as the tcpdump project numbers them. */
export type IpStart = { readonly at: number; readonly direction: 'in' | 'out' | null }

type LinkParser = (frame: Buffer) => IpStart | string

/** A frame that is no IP packet is answered with the reason, which is counted. */
export const linkTypes: Readonly<Record<number, LinkParser>> = {
  0: frame => (frame.length < 4 ? tooShort : here(4)), // NULL: a family number in the capturer's byte order
  1: ethernet,
  12: () => here(0), // RAW, as some systems number it
  14: () => here(0),
  101: () => here(0), // RAW
  108: frame => (frame.length < 4 ? tooShort : here(4)), // LOOP
  113: linuxCooked,
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
        if (frame.length < at + 4) return tooShort
        type = frame.readUInt16BE(at + 2)
        at += 4
        break
      case 0x8864: {
        // PPPoE session (RFC 2516), then the PPP protocol
        if (frame.length < at + 8) return tooShort
        const ppp = frame.readUInt16BE(at + 6)
        if (ppp !== 0x0021 && ppp !== 0x0057) return 'not IP: PPPoE control'
        return here(at + 8, direction)
      }
      case 0x8847: {
        // MPLS: labels of four bytes until the bottom of the stack (RFC 3032)
        while (frame.length >= at + 4 && (frame[at + 2]! & 1) === 0) at += 4
        return frame.length < at + 4 ? tooShort : here(at + 4, direction)
      }
      default:
        return type < 0x600
          ? 'not IP: IEEE 802.3 frame'
          : `not IP: ethertype 0x${type.toString(16).padStart(4, '0')}`
    }
  }
  return 'frame with too many VLAN tags'
}
