import type { Config, RegionConfig } from './config.ts'
import type { RegionId } from './core/ids.ts'
import type { TlsIdentity } from './crypto/tls-identity.ts'
import type { LogKey } from './ledger/log-keys.ts'
import type { RegionPlace } from './store/region.ts'
import type { Peer, Peers } from './transfers/peers.ts'

type OwnRegion = RegionPlace &
  Pick<RegionConfig, 'peer'> & {
    readonly identity: TlsIdentity
    readonly logKey: Pick<LogKey, 'log'>
  }

/** The regions of this process know each other by what they opened with; nothing is learnt over the network. */
export function knownPeers(regions: Iterable<OwnRegion>, others: Config['peers']): Peers {
  const peers = new Map<RegionId, Peer>(others.map(peer => [peer.id, peer]))
  for (const { id, country, operator, peer, identity, logKey } of regions)
    peers.set(id, { id, country, operator, ...peer, certificate: identity.certificate, log: logKey.log })
  return peers
}
