import { innocenceText } from '../detect/innocence.ts'
import { allowance } from '../reconcile/bounds.ts'
import { maxOffsetMs } from '../reconcile/clock.ts'
import { overheadCap } from '../reconcile/explain.ts'
import { couldBeWindowMs } from '../reconcile/left-overs.ts'
import type { Method } from './report-types.ts'

/** Said in every report, with the numbers that were used, so that a reader needs no other document to judge it. */
export const method: Method = {
  basis:
    'All sums are IP bytes, headers included. Captures are brought down from frames; exporters and cloud logs count IP bytes already. Each record’s own number and basis is kept.',
  rules: [
    'Whose: the source address is looked up in the inventory, the most specific prefix valid at that time.',
    'Where: inventory, then the operator’s overrides, then ranges that providers publish of themselves, then two country databases that vote. When they clash, or neither knows, the place is disputed. Private, link-local, multicast and loopback addresses are never abroad unless inventory or override place them.',
    'Instructed: both ends entered this very connection (5-tuple, overlapping time) under one instruction of the tenant whose connection it is, which a quorum of its approvers signed for these two regions, and departures and arrivals agree.',
    'Claimed: only one side’s books hold the connection, or it served an S3 client; it is that region’s word.',
    'Unexplained: everything else. The same addresses within minutes explain nothing; entries of other connections of theirs give the "could be".',
    'Each recorded byte explains at most one observed byte, once. Records of one connection that were split are summed; what several exporters saw twice counts once.',
    `Overhead on top of the recorded payload is accepted up to ${overheadCap.headerBytesV4} bytes a packet on IPv4, ${overheadCap.headerBytesV6} on IPv6 (exactly the headers where packets were captured), and ${overheadCap.retransmissionShare * 100} % of the payload (at least ${overheadCap.leastBytes} bytes) for retransmission. More is unexplained.`,
    `Entered objects bound what an instruction or a client’s reads can be: their bytes and ${allowance.share * 100} %, ${allowance.perObjectBytes / 1024} KiB for each object of a transfer (${allowance.perEmptyObjectBytes / 1024} KiB for one without a byte), and ${allowance.flatBytes / 1024 / 1024} MiB; of a transfer as much is instructed as arrived.`,
    'Address translation and load balancers: the inventory names their addresses (role nat or lb). What was seen before and behind one counts once, at the server behind: each byte behind covers one before, of the same destination, port and hour. Entries of the two ends of a transfer are joined across such an address only when instruction, socket, time and size agree.',
    'Names of destinations are claims of clients and name servers, seen in handshakes, requests, answers and logs: a connection has the name of its own handshake, else of another one to the same port at that time, else of the last answer that gave this server that address and holds still. They change no grade and explain nothing.',
    `A region’s clock may differ by up to ${maxOffsetMs / 60_000} minutes; the offset is estimated from exact matches. "Could be" looks ${couldBeWindowMs / 60_000} minutes around.`,
  ],
  innocence: innocenceText(),
  limits: [
    'Flow records prove volume and destination, not content.',
    'Who controls the exporter can spoil the records; compare independent exporters.',
    'Bytes that a domestic host outside the inventory passes on are not followed; large ones are listed as possible relays.',
    'A server that sends under an address that is not its own is seen as that address: as another server, or as a source outside the inventory.',
    'Bytes to private addresses that neither the inventory nor an override places are never abroad. Where a provider’s own network joins its regions, give the other region’s private ranges rows in the inventory.',
    'What a translator passes on of servers that no exporter saw is the translator’s in this report.',
    'Country databases say where an address is registered or measured, and are often wrong about clouds; override what you know.',
  ],
}
