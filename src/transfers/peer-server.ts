/** The port on which a region hears its peers: TLS with pinned certificates both ways, a record of every connection. */

import { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { z } from 'zod'
import { HoldfastError, messageOf } from '../core/errors.ts'
import {
  type InstructionId,
  newSortableId,
  parseInstructionId,
  type RandomBytes,
  type TenantId,
} from '../core/ids.ts'
import type { Log } from '../core/log.ts'
import type { Clock } from '../core/time.ts'
import { parseEnvelope } from '../crypto/dsse.ts'
import type { TlsIdentity } from '../crypto/tls-identity.ts'
import { openInstruction } from '../instructions/instruction.ts'
import { connectionEnteredEveryMs, type TrackedConnection, trackConnection } from '../ledger/connections.ts'
import { findTenant } from '../store/tenants.ts'
import { answerQuestion, dryRunPattern, openQuestion } from './ask-destination.ts'
import { openFrames } from './frame.ts'
import type { KnowledgeExchange } from './knowledge.ts'
import type { Peer, Peers, TransferRegion } from './peers.ts'
import {
  batchSchema,
  challengeSchema,
  endSchema,
  offerSchema,
  pathPattern,
  paths,
  type TransferItem,
} from './protocol.ts'
import type { Receiver } from './receiver.ts'
import { TransferRefused } from './refused.ts'

export interface PeerServerOptions {
  readonly region: TransferRegion
  readonly identity: TlsIdentity
  readonly peers: Peers
  readonly receiver: Receiver
  readonly knowledge: Pick<KnowledgeExchange, 'hear'>
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
}

export interface PeerServer {
  readonly server: Server
  /** Enters the connections that are still open. */
  settle(): Promise<void>
}

const maxJsonBytes = 8 << 20
const knowledgePattern = /^\/v1\/tenants\/([0-9a-f]{64})\/knowledge\/([0-9a-f]{64})$/

/** What is known of a request so far, for the books when it is refused. */
interface Asked {
  peer: Peer | null
  tenant: TenantId | null
  instruction: InstructionId | null
}

export function createPeerServer(options: PeerServerOptions): PeerServer {
  const { region, peers, receiver, clock, log } = options
  const byFingerprint = new Map(
    [...peers.values()].map(peer => [new X509Certificate(peer.certificate).fingerprint256, peer]),
  )
  const sockets = new Map<string, Socket>()
  const opened = new Map<string, number>()
  const tracked = new Map<string, TrackedConnection>()
  const ending = new Set<Promise<void>>()

  const server = createServer(
    {
      key: options.identity.key,
      cert: options.identity.certificate,
      ca: [...peers.values()].map(peer => peer.certificate),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    },
    (message, response) => {
      const asked: Asked = { peer: null, tenant: null, instruction: null }
      serve(message, response, asked).catch(error => {
        const refused = error instanceof TransferRefused
        const rule = refused ? error.rule : error instanceof HoldfastError ? error.code : 'internal'
        const status = refused
          ? 403
          : error instanceof HoldfastError && error.code !== 'store-damaged'
            ? 422
            : 500
        log(refused ? 'warn' : 'error', 'peer-request-refused', {
          region: region.id,
          rule,
          error: messageOf(error),
          url: message.url ?? '',
        })
        // A draft or a verdict that does not hold is a refusal too; a full disk is none.
        if (refused || rule === 'not-verified' || rule === 'bad-input') void enterRefusal(asked, rule)
        message.resume()
        if (!response.headersSent) sendJson(response, status, { rule, message: messageOf(error) })
        else response.destroy()
      })
    },
  )
  server.requestTimeout = 0
  server.on('connection', (socket: Socket) => {
    const key = socketKey(socket)
    sockets.set(key, socket)
    opened.set(key, clock())
    socket.once('close', () => {
      sockets.delete(key)
      opened.delete(key)
      const connection = tracked.get(key)
      tracked.delete(key)
      if (connection === undefined) return
      const entering = connection.enter(false)
      ending.add(entering)
      void entering.finally(() => ending.delete(entering))
    })
  })

  /** The sender gives a connection to one instruction only; bytes of another on it are not counted as ours. */
  const charge = async (
    message: IncomingMessage,
    peer: Peer,
    id: InstructionId,
    role: 'transfer' | 'knowledge',
    ofTenant?: TenantId,
  ): Promise<void> => {
    const key = socketKey(message.socket)
    const tenant = ofTenant ?? (await region.book.find(id))?.row.tenant
    const socket = sockets.get(key)
    if (tenant === undefined || socket === undefined || peer.country === region.country) return
    let connection = tracked.get(key)
    if (connection === undefined) {
      const facts = {
        id: newSortableId(clock(), options.randomBytes),
        role,
        initiator: 'remote',
        instruction: id,
        remoteCountry: peer.country,
        openedUnixMs: opened.get(key) ?? clock(),
      } as const
      connection = trackConnection(socket, facts, clock, log)
      tracked.set(key, connection)
    }
    const book = {
      region: region.id,
      country: region.country,
      catalog: region.catalog,
      drafts: region.drafts,
    }
    connection.charge(book, tenant, [])
  }

  /** A tenant sees in its own books what a peer was refused in its name. */
  const enterRefusal = async ({ peer, tenant, instruction }: Asked, rule: string): Promise<void> => {
    if (peer === null) return
    const of = tenant ?? (instruction === null ? null : (await region.book.find(instruction))?.row.tenant)
    if (of === null || of === undefined || (await findTenant(region.catalog, of)) === null) return
    // In front of the slash what they are summed by: no peer makes an entry of each request.
    const resource = `instruction/${instruction ?? 'unknown'}`
    await region.sums.refusal(of, { principal: `region/${peer.id}`, rule, operation: 'transfer', resource })
  }

  const serve = async (message: IncomingMessage, response: ServerResponse, asked: Asked): Promise<void> => {
    const certificate = (message.socket as TLSSocket).getPeerX509Certificate()
    const peer = byFingerprint.get(certificate?.fingerprint256 ?? '')
    if (peer === undefined)
      throw new TransferRefused('outbound-not-registered', 'This certificate is not a peer’s.')
    asked.peer = peer
    const path = message.url ?? ''
    if (message.method === 'POST' && path === paths.offers) {
      const { instruction, verdicts, pages } = parse(offerSchema, await readJson(message))
      const envelope = parseEnvelope(instruction)
      const opened = envelope === null ? null : openInstruction(envelope)
      if (opened !== null && typeof opened !== 'string')
        Object.assign(asked, { tenant: opened.tenant, instruction: opened.id })
      return sendJson(response, 200, { bucket: await receiver.offer(peer, instruction, verdicts, pages) })
    }
    const knowledge = knowledgePattern.exec(path)
    if (message.method === 'POST' && knowledge !== null) {
      const [tenant, instruction] = [knowledge[1] as TenantId, knowledge[2] as InstructionId]
      const told = await options.knowledge.hear(peer, tenant, instruction, await readJson(message))
      if (told !== null) await charge(message, peer, instruction, 'knowledge', tenant)
      // No word of whether it is known: whoever asks is a region that has it.
      if (told === null)
        throw new TransferRefused('instruction-out-of-scope', 'There is no such tenant here.')
      return sendJson(response, 200, told)
    }
    const tried = parseInstructionId(dryRunPattern.exec(path)?.[1] ?? '')
    if (message.method === 'POST' && tried !== null) {
      asked.instruction = tried
      const question = openQuestion(peer, region.id, tried, await readJson(message))
      const { tenant } = question.instruction
      asked.tenant = tenant
      // Also of what is refused then.
      if ((await findTenant(region.catalog, tenant)) !== null)
        await charge(message, peer, tried, 'knowledge', tenant)
      return sendJson(response, 200, await answerQuestion(region, peer.country, question))
    }
    const match = pathPattern.exec(path)
    const id = parseInstructionId(match?.[1] ?? '')
    asked.instruction = id
    if (match === null || id === null)
      throw new TransferRefused('instruction-out-of-scope', 'There is no such request.')
    const batch = Number(match[3] ?? 0)
    // Its bytes are entered however it ends, and while it lasts.
    if (!tracked.has(socketKey(message.socket))) await charge(message, peer, id, 'transfer')
    try {
      if (match[2] === 'end') {
        const { state, reason } = parse(endSchema, await readJson(message))
        await receiver.end(peer, id, state, reason)
        return sendJson(response, 200, {})
      }
      switch (match[4]) {
        case undefined: {
          const { items, departure } = parse(batchSchema, await readJson(message))
          return sendJson(response, 200, {
            wanted: await receiver.openBatch(peer, id, batch, items as TransferItem[], departure),
          })
        }
        case 'close':
          message.resume()
          return sendJson(response, 200, await receiver.close(peer, id, batch))
        case 'arrival':
          message.resume()
          return sendJson(
            response,
            200,
            (await receiver.arrivalProof(peer, id, batch)) ?? { state: 'pending' },
          )
        case 'challenge': {
          const { ranges } = parse(challengeSchema, await readJson(message))
          return sendJson(response, 200, { digests: await receiver.challenge(peer, id, batch, ranges) })
        }
        default: {
          const frames = openFrames(message.iterator({ destroyOnReturn: false }))
          return sendJson(response, 200, { refused: await receiver.takeObjects(peer, id, batch, frames) })
        }
      }
    } finally {
      await charge(message, peer, id, 'transfer')
    }
  }

  const hourly = setInterval(() => {
    for (const connection of tracked.values()) void connection.enter(true)
  }, connectionEnteredEveryMs)
  hourly.unref()

  return {
    server,
    async settle() {
      clearInterval(hourly)
      await Promise.all([...tracked.values()].map(connection => connection.enter(false)))
      await Promise.all(ending)
    },
  }
}

async function readJson(message: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of message as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxJsonBytes)
      throw new TransferRefused('instruction-out-of-scope', 'The request is too long.')
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch {
    throw new TransferRefused('instruction-out-of-scope', 'The request is not JSON.')
  }
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new TransferRefused('instruction-out-of-scope', z.prettifyError(parsed.error))
  return parsed.data
}

function socketKey(socket: Socket): string {
  return `${socket.remoteAddress}:${socket.remotePort}`
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
