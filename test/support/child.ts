/** Child processes of tests: in a group of their own, ended whatever becomes of the test. */
import { type ChildProcess, spawn } from 'node:child_process'

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly input?: string
}

export interface Daemon {
  readonly pid: number
  readonly running: boolean
  /** Everything it has said so far on both streams; for the message of a failed test. */
  said(): string
  /** Signals the process, with a program that it runs under, and waits until both are gone. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

const alive = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of alive) signalGroup(child, 'SIGKILL')
})

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-child.pid!, signal)
  } catch {
    // Gone already.
  }
}

/** Runs a program to its end. Never throws for what the program does. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    })
    alive.add(child)
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.once('error', reject)
    child.once('close', code => {
      alive.delete(child)
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() })
    })
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** The same, for a program that must succeed: its output, or a failure that says what it said. */
export async function succeed(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options)
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}\n${stdout}\n${stderr}`)
  return stdout
}

/** Starts a program and waits until it has said `ready` on its standard output. */
export async function startDaemon(
  program: string,
  args: readonly string[],
  options: Omit<RunOptions, 'input'> & { readonly ready: string },
): Promise<Daemon> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  alive.add(child)
  let said = ''
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  void ended.then(() => alive.delete(child))
  await new Promise<void>((resolve, reject) => {
    const hear = (text: string): void => {
      said = (said + text).slice(-20_000)
    }
    child.stderr.setEncoding('utf8').on('data', hear)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      hear(text)
      if (said.includes(options.ready)) resolve()
    })
    child.once('error', reject)
    child.once('close', code =>
      reject(new Error(`${program} ended with ${code} before it was ready\n${said}`)),
    )
  })
  return {
    pid: child.pid!,
    get running() {
      return alive.has(child)
    },
    said: () => said,
    async end(signal) {
      signalGroup(child, signal)
      await ended
    },
  }
}
