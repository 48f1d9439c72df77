/** What a monitor can find. `docs/monitor.md` has the same table, with what each means. */
export type MonitorAlertKind =
  | 'fork'
  | 'rollback'
  | 'checkpoint-refused'
  | 'keys-refused'
  | 'entry-changed'
  | 'tile-changed'
  | 'resource-missing'
  | 'leaf-form'
  | 'label-missing'
  | 'label-duplicated'
  | 'statement-refused'
  | 'statement-cut'
  | 'time-turned-back'
  | 'time-ahead'
  | 'checkpoint-stale'
  | 'log-unreachable'
  | 'witness-missing'
  | 'cosignature-refused'
  | 'peer-refused'
  | 'peer-unreachable'

export interface Finding {
  readonly kind: MonitorAlertKind
  readonly what: string
  /** Texts that show it to others; kept as files. */
  readonly evidence?: readonly Evidence[]
}

export interface Evidence {
  /** The beginning of the file's name. */
  readonly name: string
  readonly text: string
}

/** The log shows something that cannot be gone on from. */
export class LogFault extends Error {
  readonly finding: Finding

  constructor(finding: Finding) {
    super(finding.what)
    this.finding = finding
  }
}
