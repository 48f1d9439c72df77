import type { ReadInput } from '../decode/read-input.ts'
import type { Detection } from '../detect/detection.ts'
import type { DatabaseUse } from '../locate/databases.ts'
import type { NameSource } from '../names/sighting.ts'
import type { CanaryReport } from '../reconcile/canary.ts'
import type { EnteredFile } from '../reconcile/entered-files.ts'
import type { Comparison } from './compare.ts'

/** What `audit --json` prints. Bytes are IP bytes; the four grades of a row add up to its bytes. */
export type AuditReport = {
  readonly format: 'holdfast/audit/v1'
  readonly generated: string
  readonly verdict: Verdict
  readonly totals: Grades
  readonly servers: readonly ServerReport[]
  /** By names that clients used; `null`: no input showed one. */
  readonly services: ServicesReport | null
  readonly coverage: Coverage
  readonly inputs: Inputs
  readonly databases: readonly DatabaseUse[]
  readonly method: Method
  /** With an earlier period's report, where one was given. */
  readonly comparison: Comparison | null
}

export type Verdict = {
  readonly state: 'nothing-abroad' | 'accounted-for' | 'in-doubt' | 'unexplained'
  readonly text: string
}

export type Grades = {
  readonly bytesAbroad: number
  readonly instructed: number
  readonly claimed: number
  readonly unexplained: number
  /** The place is in doubt; of these, `disputedAbroad` went abroad in any case, only where to is in doubt. */
  readonly disputed: number
  readonly disputedAbroad: number
  /** Headers, acknowledgements and retransmission within instructed and claimed. */
  readonly overhead: number
}

/** What is not known for sure: sampling widens it, and entries of other connections could be some of it. */
export type Interval = { readonly low: number; readonly high: number }

export type ServerReport = Grades & {
  readonly server: string
  readonly country: string
  readonly couldBe: Interval
  readonly unexplainedInterval: Interval
  readonly bytesDomestic: number
  /** Of a translator: what it passed on of others, counted there and not here. */
  readonly bytesTranslated: number
  readonly connections: number
  /** By the stated threshold (`method.innocence`): is what nobody explains no more than any server sends? */
  readonly innocence: { readonly isInnocent: boolean; readonly reasons: readonly string[] }
  readonly destinations: readonly DestinationReport[]
  readonly findings: readonly Finding[]
  readonly detections: readonly DetectionReport[]
  /** Detections beyond those that are listed, by kind. */
  readonly detectionsLeftOut: Readonly<Record<string, number>>
  /** What could not be judged, and why. */
  readonly remarks: readonly string[]
  /** Bytes abroad over the period, in bins of so many hours; `open`: of these, what nothing explains. */
  readonly activity: {
    readonly hoursEach: number
    readonly abroad: readonly number[]
    readonly open: readonly number[]
  }
}

export type DetectionReport = Detection & {
  readonly from: string
  readonly until: string
  /** The auditor's mark, if one covers it. */
  readonly expected: { readonly reason: string; readonly by: string } | null
  /** A mark covered it once and has run out. */
  readonly markRanOut: boolean
  /** Of most bytes to its address; `null`: none is known, or it is of no single address. */
  readonly hostname: string | null
}

export type DestinationReport = Grades & {
  /** `null` when the databases clash or none knows. */
  readonly country: string | null
  readonly candidates: readonly string[]
  readonly asn: number | null
  readonly asName: string | null
  readonly bytes: number
  readonly from: string
  readonly until: string
  readonly connections: number
  /** The largest. */
  readonly addresses: readonly {
    readonly address: string
    readonly bytes: number
    readonly unexplained: number
    /** Of most bytes; `null`: none is known. */
    readonly name: string | null
  }[]
  readonly addressCount: number
  /** By name, the largest; what no name is known of is not among them. Empty where no input shows names. */
  readonly names: readonly NameReport[]
  readonly namesLeftOut: number
}

/** A name that clients used for a destination: their claim, or a name server's, and no explanation of anything. */
export type NameReport = {
  /** A-labels in lower case. */
  readonly name: string
  readonly sources: readonly NameSource[]
  /** Of the operator's lists. */
  readonly service: string | null
  readonly tags: readonly string[]
  readonly bytes: number
  readonly unexplained: number
  readonly disputed: number
  readonly connections: number
  /** The handshake of every one of these connections was seen; else some have the name of another one, or of an answer. */
  readonly isExact: boolean
  /** Of the bytes, those of connections to which another name had as good a claim. */
  readonly sharedBytes: number
  /** An encrypted hello, or what looks like one, was within: the name may be the outer one. */
  readonly mayBeOuter: boolean
}

export type ServiceSums = {
  readonly bytes: number
  /** Of these, those of connections to which another name had as good a claim, of another service perhaps. */
  readonly sharedBytes: number
  readonly unexplained: number
  readonly disputed: number
  readonly connections: number
  /** The largest. */
  readonly servers: readonly { readonly server: string; readonly country: string; readonly bytes: number }[]
  readonly serverCount: number
}

export type ServicesReport = {
  /** Bytes abroad whose connection has a name. */
  readonly namedBytes: number
  readonly bySource: Readonly<Partial<Record<NameSource, number>>>
  /** A connection counts for each of its tags. `services`: at most twenty, or names where a list names no service. */
  readonly byTag: readonly (ServiceSums & { readonly tag: string; readonly services: readonly string[] })[]
  readonly byService: readonly (ServiceSums & {
    readonly service: string
    readonly tags: readonly string[]
    readonly names: readonly string[]
  })[]
  /** Claims that gave way to newer ones, for lack of room. */
  readonly namesForgotten: number
  /** Names that are no domain names. */
  readonly namesRefused: number
}

export type Finding = {
  readonly kind: string
  readonly severity: 'high' | 'medium' | 'low' | 'info'
  readonly title: string
  readonly detail: string
  readonly bytes: number
}

export type Coverage = {
  readonly complete: boolean
  readonly records: number
  readonly from: string | null
  readonly until: string | null
  readonly sampled: boolean
  readonly lost: readonly { readonly input: string; readonly reason: string; readonly count: number }[]
  readonly unread: readonly {
    readonly input: string
    readonly reason: string
    readonly count: number
    readonly bytes: number
  }[]
  readonly setAside: readonly {
    readonly input: string
    readonly reason: string
    readonly count: number
    readonly bytes: number
  }[]
  readonly remarks: readonly { readonly input: string; readonly remark: string }[]
  /** Sources that the inventory does not hold. */
  readonly outsideInventory: { readonly records: number; readonly ipBytes: number }
  /**
   * Sent to private, link-local, multicast and loopback addresses that neither inventory nor overrides place: never abroad, and blind to a line of one's own
   * into another country. `servers`: the largest senders.
   */
  readonly toUnplacedPrivate: {
    readonly ipBytes: number
    readonly servers: readonly { readonly server: string; readonly ipBytes: number }[]
  }
  readonly silentServers: readonly string[]
  readonly duplicateBytes: number
  readonly repeatedRecords: number
  readonly enteredNotSeen: readonly {
    readonly region: string
    readonly bytes: number
    readonly connections: number
  }[]
  readonly unreadableEntries: number
  /** Reads made on purpose, and whether the records show them; `null`: none were given. */
  readonly canaries: CanaryReport | null
  readonly clockOffsets: readonly {
    readonly region: string
    readonly offsetMs: number
    readonly samples: number
  }[]
}

export type FileInput = { readonly name: string; readonly sha256: string; readonly bytes: number }

export type StatementInput = FileInput & {
  readonly region: string
  readonly tenant: string
  readonly entries: number
}

export type Inputs = {
  readonly flows: readonly ReadInput[]
  readonly inventory: FileInput
  readonly places: FileInput | null
  readonly ranges: readonly FileInput[]
  /** Marks of what is expected. */
  readonly expected: FileInput | null
  readonly canaries: FileInput | null
  /** Lists of services. */
  readonly services: readonly FileInput[]
  readonly statements: readonly StatementInput[]
  /** How a table of one's own was read. */
  readonly mapping: FileInput | null
  /** Of all these files those that stand in the books, by hash: what they were then; or by name alone: another one. */
  readonly entered: readonly EnteredFile[]
  readonly home: string | null
}

export type Method = {
  readonly basis: string
  readonly rules: readonly string[]
  readonly innocence: readonly string[]
  readonly limits: readonly string[]
}
