/** When an exporter says that it sent this, by the header of NetFlow or IPFIX. `null`: it says no date (sFlow), or is no export. */
export function headerUnixMs(payload: Buffer): number | null {
  if (payload.length < 16) return null
  switch (payload.readUInt16BE(0)) {
    case 1:
    case 5:
    case 7:
    case 9:
      return payload.readUInt32BE(8) * 1000
    case 10:
      return payload.readUInt32BE(4) * 1000
    default:
      return null
  }
}
