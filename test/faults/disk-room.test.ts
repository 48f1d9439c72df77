import { expect, it } from 'vitest'
import { createDiskRoom, demandRoom } from '../../src/store/disk-room.ts'

const mib = 2 ** 20

it('counts what it has let in until it looks again, and looks once a second', () => {
  let now = 0
  let free = 100 * mib
  let looks = 0
  const room = createDiskRoom(
    '/',
    60 * mib,
    () => now,
    () => {
      looks++
      return free
    },
  )
  expect([room.full(), room.full(30 * mib), room.full(10 * mib)]).toEqual([null, null, null])
  expect(room.full()).toBe(null)
  expect(room.full(1)).toMatch(/^the disk has 60 MiB left, and 60 MiB are kept .*; this takes 0 MiB$/)
  expect(() => demandRoom(room, 20 * mib)).toThrow(expect.objectContaining({ code: 'store-full' }))
  expect(looks).toBe(1)
  now = 1000
  // It was half as long when it was sealed, and others have removed something.
  free = 85 * mib
  expect([room.full(20 * mib), looks]).toEqual([null, 2])
  now = 2000
  free = 59 * mib
  expect(room.full()).toMatch(
    /^the disk has 59 MiB left, and 60 MiB are kept for reading, deleting and the ledger$/,
  )
})
