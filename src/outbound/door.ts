/**
 * The one door out. Every connection that this process opens starts here, with proof that policy let it, to the one
 * certificate that was pinned for it.
 */

import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect as connectTcp, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import { drained } from '../core/drained.ts'
import { HoldfastError, messageOf } from '../core/errors.ts'
import type { InstructionId } from '../core/ids.ts'
import type { TlsIdentity } from '../crypto/tls-identity.ts'
import type { Authorized } from '../policy/authorized.ts'
import type { Outbound } from '../policy/operations.ts'

export interface OutboundRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array | AsyncIterable<Uint8Array>
  /** No answer, or no progress, for so long ends it. */
  readonly idleMs: number
  /** It gets a connection of its own, which is closed after the answer. */
  readonly isAlone?: boolean
  /** Told of the TCP socket once, when it is connected: for its record. */
  readonly onSocket?: (socket: Socket) => void
}

export interface OutboundAnswer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export interface Door extends Disposable {
  /** Rejects with `peer-unavailable` when no whole answer came. */
  send(authorized: Authorized<Outbound>, request: OutboundRequest): Promise<OutboundAnswer>
  /** Closes the connections that carried this instruction: their records are entered at both ends with that. */
  release(instruction: InstructionId): void
}

const maxAnswerBytes = 16 * 2 ** 20
/** As many idle connections as there can be may all have been closed at the other end. */
const maxSockets = 8

/**
 * One door for each identity that connections are made with: a region's. `localAddress`: which of the host's to use.
 * `onSocket` is told of every request, with the TCP socket that it goes over.
 */
export function createDoor(
  identity: TlsIdentity,
  localAddress?: string,
  onSocket: (op: Outbound, socket: Socket) => void = () => {},
): Door {
  const agents = new Map<string, Agent>()
  const wires = new WeakMap<Duplex, Socket>()

  const newAgent = (op: Outbound): Agent => {
    const { host, port, certificate, webhook, remote, witness } = op
    // Named by its owner, and not by a region's pinned key.
    const named = webhook ?? remote ?? witness
    const agent = new Agent({ keepAlive: true, keepAliveMsecs: 5000, maxSockets })
    // TLS on a TCP socket of our own making: only that one counts the bytes that are on the wire.
    agent.createConnection = () => {
      const tcp = connectTcp({
        host,
        port,
        noDelay: true,
        ...(localAddress !== undefined && { localAddress }),
      })
      if (named?.isPlain === true) {
        wires.set(tcp, tcp)
        return tcp
      }
      if (named !== undefined && certificate === '') {
        const vouched = connectTls({
          socket: tcp,
          host: named.name,
          servername: named.name,
          minVersion: 'TLSv1.2',
        })
        tcp.once('error', error => vouched.destroy(error))
        wires.set(vouched, tcp)
        return vouched
      }
      const secure = connectTls({
        socket: tcp,
        key: identity.key,
        cert: identity.certificate,
        // The pinned certificate is its own authority: no other chain can lead to it, so its name says nothing more.
        ca: [certificate],
        checkServerIdentity: () => undefined,
        minVersion: 'TLSv1.3',
      })
      tcp.once('error', error => secure.destroy(error))
      wires.set(secure, tcp)
      return secure
    }
    return agent
  }

  const agentOf = (op: Outbound): Agent => {
    const { host, port, certificate, instruction, webhook, remote, witness } = op
    const named = webhook ?? remote ?? witness
    // Connections of one instruction carry nothing else, so that their bytes are wholly its own.
    const key = `${host}:${port} ${instruction} ${named?.name ?? ''} ${named?.isPlain ?? false} ${certificate}`
    let agent = agents.get(key)
    if (agent === undefined) {
      agent = newAgent(op)
      agents.set(key, agent)
    }
    return agent
  }

  return {
    async send({ op }, request) {
      const outbound: OutboundRequest = {
        ...request,
        onSocket(socket) {
          request.onSocket?.(socket)
          onSocket(op, socket)
        },
      }
      try {
        if (outbound.isAlone) {
          const agent = newAgent(op)
          try {
            const answer = await exchange(op, agent, outbound, wires)
            if (answer === 'stale') throw new Error('a new connection was closed before an answer')
            return answer
          } finally {
            // Closed at this end first: then both ends have counted the same bytes.
            agent.destroy()
          }
        }
        for (let stale = 0; ; stale++) {
          const answer = await exchange(op, agentOf(op), outbound, wires)
          if (answer !== 'stale') return answer
          if (stale >= maxSockets) throw new Error('every connection was closed before an answer')
        }
      } catch (error) {
        throw new HoldfastError(
          'peer-unavailable',
          `${op.host}:${op.port} (${op.purpose}): ${messageOf(error)}`,
          {},
          error,
        )
      }
    },

    release(instruction) {
      for (const [key, agent] of agents) {
        if (key.split(' ', 2)[1] !== instruction) continue
        agent.destroy()
        agents.delete(key)
      }
    },

    [Symbol.dispose]() {
      for (const agent of agents.values()) agent.destroy()
      agents.clear()
    },
  }
}

/** `stale`: the other end had closed the idle connection before it saw the request, which can be sent again. */
function exchange(
  op: Outbound,
  agent: Agent,
  outbound: OutboundRequest,
  wires: WeakMap<Duplex, Socket>,
): Promise<OutboundAnswer | 'stale'> {
  return new Promise((resolve, reject) => {
    let isAnswered = false
    const sent = request({
      host: op.host,
      port: op.port,
      agent,
      method: outbound.method,
      path: outbound.path,
      headers: {
        ...outbound.headers,
        ...(outbound.body instanceof Uint8Array && { 'content-length': outbound.body.length }),
      },
      timeout: outbound.idleMs,
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      const isStale = sent.reusedSocket && !isAnswered && error.code === 'ECONNRESET'
      if (isStale && outbound.body instanceof Uint8Array) resolve('stale')
      else reject(error)
    })
    sent.on('timeout', () => sent.destroy(new Error('no progress in time')))
    sent.on('socket', socket => {
      const wire = wires.get(socket)
      const tell = (): void => {
        if (wire !== undefined) outbound.onSocket?.(wire)
      }
      if (wire?.connecting) wire.once('connect', tell)
      else tell()
    })
    sent.on('response', response => {
      isAnswered = true
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxAnswerBytes) sent.destroy(new Error('the answer is too long'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        if (!response.complete) reject(new Error('the answer was cut off'))
        else
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          })
      })
    })
    if (outbound.body instanceof Uint8Array) sent.end(outbound.body)
    else {
      pump(outbound.body, sent).catch(error =>
        sent.destroy(error instanceof Error ? error : new Error(String(error))),
      )
    }
  })
}

async function pump(body: AsyncIterable<Uint8Array>, sent: ReturnType<typeof request>): Promise<void> {
  for await (const chunk of body) {
    if (sent.destroyed) return
    if (!sent.write(chunk)) {
      await drained(sent)
    }
  }
  sent.end()
}
