import type { Json } from './canonical-json.ts'

export type LogLevel = 'info' | 'warn' | 'error'
export type LogFields = { readonly [key: string]: Json | undefined }

/** Structured logging: one JSON object a line. `event` is a fixed kebab-case name; what varies goes in fields. */
export type Log = (level: LogLevel, event: string, fields?: LogFields) => void

export function jsonLinesLog(write: (line: string) => void, now: () => number): Log {
  return (level, event, fields = {}) => {
    write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, event, ...fields })}\n`)
  }
}

export const silentLog: Log = () => {}
