/** What a command may use of the process around it. */
export interface CommandIo {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown }
  readonly env: { readonly [name: string]: string | undefined }
  readonly isTty: boolean
}

/** Done; refused or not verified; wrong usage. */
export type ExitCode = 0 | 1 | 2

/** Wrong usage: the message says what was wrong, `main` adds the command's usage. */
export class UsageError extends Error {}
