import type { CommandIo, ExitCode } from './cli/io.ts'
export async function fsckCommand(_argv: string[], _io: CommandIo): Promise<ExitCode> {
  throw new Error('not yet')
}
