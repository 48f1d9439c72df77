/**
 * How many records a datagram says it holds, from its header alone, so that what could not be kept is counted in the
 * exporter's own unit. `null`: its header does not say (IPFIX counts only what came before), or it is no export.
 */
export function statedRecords(payload: Buffer): number | null {
  if (payload.length < 16) return null
  switch (payload.readUInt16BE(0)) {
    case 1:
    case 5:
    case 7:
    case 9:
      return payload.readUInt16BE(2)
    case 0: {
      if (payload.readUInt16BE(2) !== 5) return null
      const at = payload.readUInt32BE(4) === 2 ? 36 : 24
      return payload.length < at + 4 ? null : payload.readUInt32BE(at)
    }
    default:
      return null
  }
}
