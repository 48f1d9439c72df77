/** The signed orders of docs/formats/instruction.md, parsed so that they can be read in one way only. */
import { z } from 'zod'
import { fromUtf8 } from '../core/bytes.ts'
import { parseCanonicalJson } from '../core/canonical-json.ts'
import { unreachable } from '../core/errors.ts'
import type { InstructionId, RegionId, TenantId } from '../core/ids.ts'
import type { Envelope } from '../crypto/dsse.ts'
import { documentId } from '../crypto/signed-document.ts'
import { type ApproversInstruction, approversSchema, readApprovers } from './kinds/approvers.ts'
import {
  type ClassInstruction,
  classSchema,
  type KeyInstruction,
  keySchema,
  type ResidencyInstruction,
  readClass,
  readKey,
  readResidency,
  residencySchema,
} from './kinds/bucket.ts'
import { type EraseInstruction, eraseSchema, readErase } from './kinds/erase.ts'
import {
  type AccessInstruction,
  accessSchema,
  type DiscloseInstruction,
  discloseSchema,
  readAccess,
  readDisclose,
} from './kinds/people.ts'
import {
  readTransfer,
  standingTransferSchema,
  type TransferInstruction,
  transferSchema,
} from './kinds/transfer.ts'
import type { InstructionTerms } from './terms.ts'

export const instructionPayloadType = 'application/vnd.holdfast.instruction+json'
const maxLifeMs = 366 * 86_400e3

export type Instruction =
  | TransferInstruction
  | EraseInstruction
  | ClassInstruction
  | ResidencyInstruction
  | KeyInstruction
  | ApproversInstruction
  | AccessInstruction
  | DiscloseInstruction

/** The region in which it is carried out: of a transfer, the source. `null`: in every region, by each. */
export function placeOf(instruction: Instruction): RegionId | null {
  switch (instruction.kind) {
    case 'transfer':
    case 'standing-transfer':
      return instruction.from.region
    case 'approvers':
      return null
    default:
      return instruction.region
  }
}

const schema = z.discriminatedUnion('kind', [
  transferSchema,
  standingTransferSchema,
  eraseSchema,
  classSchema,
  residencySchema,
  keySchema,
  approversSchema,
  accessSchema,
  discloseSchema,
])

/** The instruction, or what is wrong with the document. Its signatures say nothing yet. */
export function openInstruction(envelope: Envelope): Instruction | string {
  if (envelope.payloadType !== instructionPayloadType) return 'it is no instruction'
  const value = canonicalPayload(envelope)
  if (value === null) return 'its payload is not canonical JSON'
  const result = schema.safeParse(value)
  if (!result.success) return z.prettifyError(result.error)
  const { data } = result
  if (data.expires <= data.notBefore) return 'it expires before it is valid'
  if (data.expires - data.notBefore > maxLifeMs) return 'it is valid for more than 366 days'
  const terms: InstructionTerms = {
    id: documentId(envelope) as InstructionId,
    tenant: data.tenant as TenantId,
    notBeforeUnixMs: data.notBefore,
    expiresUnixMs: data.expires,
    purpose: data.purpose,
    ledger: data.ledger,
    drafter: data.drafter ?? null,
  }
  switch (data.kind) {
    case 'transfer':
    case 'standing-transfer':
      return readTransfer(data, terms)
    case 'erase':
      return readErase(data, terms)
    case 'class':
      return readClass(data, terms)
    case 'residency':
      return readResidency(data, terms)
    case 'key':
      return readKey(data, terms)
    case 'approvers':
      return readApprovers(data, terms)
    case 'access':
      return readAccess(data, terms)
    case 'disclose':
      return readDisclose(data, terms)
    default:
      return unreachable(data)
  }
}

function canonicalPayload(envelope: Envelope): unknown {
  try {
    return parseCanonicalJson(fromUtf8(envelope.payload))
  } catch {
    return null
  }
}
