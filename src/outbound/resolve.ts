import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'

/** The address that a connection goes to: decided about, and then dialled, so that no other name server can swap it. */
export async function resolveHost(host: string): Promise<string> {
  const bare = host.replace(/^\[|\]$/g, '')
  return isIP(bare) > 0 ? bare : (await lookup(bare, { family: 4 })).address
}
