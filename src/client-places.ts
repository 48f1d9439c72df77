import type { Config } from './config.ts'
import type { CountryCode } from './core/ids.ts'
import { parseAddress } from './flows/address.ts'
import { installedDatabases } from './flows/locate/installed-databases.ts'
import { createLocator } from './flows/locate/locate.ts'
import { parsePlaces } from './flows/locate/places.ts'
import type { ClientPlace } from './s3/operation.ts'

/** Where a client is: the operator's places first, then the country databases; on one's own machine, at home. */
export function createPlaces(config: Config): (address: string) => ClientPlace {
  const overrides =
    config.places.length === 0
      ? null
      : parsePlaces(
          'places',
          `cidr,country\n${config.places.map(({ cidr, country }) => `${cidr},${country}`).join('\n')}\n`,
        )
  let locator: ReturnType<typeof createLocator> | null = null
  const known = new Map<string, ClientPlace>()
  const find = (address: string): CountryCode | 'home' | null => {
    // The databases take a second and memory to load; most set-ups in one place never need them.
    locator ??= createLocator({ overrides, ...installedDatabases() })
    const parsed = parseAddress(address)
    if (parsed === null) return null
    const place = locator.place(parsed)
    const isLoopback = /^127\.|^::1$/.test(address)
    if (place.basis === 'local' && isLoopback && config.loopbackIsHome) return 'home'
    return place.country
  }
  return address => {
    let place = known.get(address)
    if (place === undefined) {
      if (known.size > 10_000) known.clear()
      place = find(address)
      known.set(address, place)
    }
    return place
  }
}
