/** One region as the layers above see it: its place in the world and its stores. */
import type { CountryCode, RegionId } from '../core/ids.ts'
import type { BlobStore } from './blob-store.ts'
import type { Catalog } from './catalog.ts'

export interface RegionPlace {
  readonly id: RegionId
  readonly country: CountryCode
  readonly operator: string
}

export interface RegionStores extends RegionPlace {
  readonly catalog: Catalog
  readonly blobs: BlobStore
}
