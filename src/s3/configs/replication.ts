import { createHash } from 'node:crypto'
import { parseBucketName } from '../../core/ids.ts'
import type { BucketRow } from '../../store/rows.ts'
import type { ParsedConfig } from '../config-kinds.ts'
import { S3Error } from '../errors.ts'
import type { LocatedBucket, S3Context } from '../operation.ts'
import { child, children, childText, echoXml, parseXml, type XmlElement, xmlDocument } from '../xml.ts'

const maxRules = 1000
const maxIdChars = 255
const ruleElements = [
  'ID',
  'Priority',
  'Prefix',
  'Filter',
  'Status',
  'SourceSelectionCriteria',
  'ExistingObjectReplication',
  'Destination',
  'DeleteMarkerReplication',
]

/** Kept and answered; it moves nothing. What moves data is an instruction, and the answer says which command makes one. */
export async function parseReplication(
  body: Uint8Array,
  bucket: LocatedBucket,
  context: S3Context,
): Promise<ParsedConfig> {
  const root = parseXml(body, 'ReplicationConfiguration')
  const role = childText(root, 'Role')
  const rules = children(root, 'Rule')
  if (role === undefined || rules.length === 0 || rules.length > maxRules) throw new S3Error('MalformedXML')
  if (!/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/.test(role))
    throw new S3Error('InvalidArgument', 'Invalid Role specified in replication configuration', {
      ArgumentName: 'Role',
      ArgumentValue: role,
    })
  const named = (index: number): string =>
    createHash('sha256').update(body).update(String(index)).digest('hex').slice(0, 48)
  const read = rules.map((rule, index) => readRule(rule, named(index)))
  const unique = (values: readonly string[]): boolean => new Set(values).size === values.length
  if (!unique(read.map(({ id }) => id)))
    throw new S3Error('InvalidArgument', 'Rule Id must be unique. Found same Id for more than one rule')
  const priorities = read.flatMap(({ priority }) => (priority === null ? [] : [priority]))
  if (!unique(priorities))
    throw new S3Error('InvalidRequest', 'Found duplicate priorities in replication configuration rules.')
  const destinations = new Set(read.map(({ destination }) => destination))
  for (const name of destinations) await checkDestination(context, bucket, name)
  const [first] = destinations
  return {
    body: xmlDocument('ReplicationConfiguration', { Role: role, Rule: read.map(({ xml }) => echoXml(xml)) }),
    headers: {
      'x-holdfast-instruction': `holdfast instruct transfer --bucket ${bucket.row.name} --to-bucket ${first} --mode copy --purpose "..."`,
    },
    row: (row): BucketRow => {
      if (row.versioning === 'Enabled') return row
      throw new S3Error(
        'InvalidRequest',
        "Versioning must be 'Enabled' on the bucket to apply a replication configuration",
      )
    },
  }
}

interface ReadRule {
  readonly id: string
  readonly priority: string | null
  readonly destination: string
  readonly xml: XmlElement
}

function readRule(rule: XmlElement, nameless: string): ReadRule {
  if (Object.keys(rule).some(name => !ruleElements.includes(name))) throw new S3Error('MalformedXML')
  const given = childText(rule, 'ID') ?? ''
  const id = given === '' ? nameless : given
  if ([...id].length > maxIdChars)
    throw new S3Error('InvalidArgument', `The maximum length of a rule id is ${maxIdChars}.`)
  const status = childText(rule, 'Status')
  if (status !== 'Enabled' && status !== 'Disabled') throw new S3Error('MalformedXML')
  const prefix = childText(rule, 'Prefix')
  const filter = child(rule, 'Filter')
  if (prefix !== undefined && filter !== undefined) throw new S3Error('MalformedXML')
  const priority = childText(rule, 'Priority')?.trim() ?? null
  if (priority !== null && !/^\d{1,10}$/.test(priority)) throw new S3Error('MalformedXML')
  if (filter !== undefined && priority === null)
    throw new S3Error(
      'InvalidRequest',
      'Priority must be specified for this version of Cross Region Replication configuration schema.',
    )
  const markers = child(rule, 'DeleteMarkerReplication')
  if (filter !== undefined && markers === undefined)
    throw new S3Error(
      'InvalidRequest',
      'DeleteMarkerReplication must be specified for this version of Cross Region Replication configuration schema.',
    )
  const destination = child(rule, 'Destination')
  const arn = destination === undefined ? undefined : childText(destination, 'Bucket')
  if (arn === undefined) throw new S3Error('MalformedXML')
  const name = /^arn:aws[a-z-]*:s3:::(.+)$/.exec(arn)?.[1]
  if (name === undefined || parseBucketName(name) === null)
    throw new S3Error('InvalidArgument', 'Invalid bucket ARN.', {
      ArgumentName: 'Bucket',
      ArgumentValue: arn,
    })
  return { id, priority, destination: name, xml: { ID: id, ...without(rule, 'ID') } }
}

function without(element: XmlElement, name: string): XmlElement {
  const { [name]: _left, ...others } = element
  return others
}

/** Another tenant's bucket is answered like one that is not there. */
async function checkDestination(context: S3Context, bucket: LocatedBucket, name: string): Promise<void> {
  const found = await context.locate(name).catch(error => {
    if (error instanceof S3Error && error.code === 'NoSuchBucket') return null
    throw error
  })
  if (found === null || found.row.tenant !== bucket.row.tenant)
    throw new S3Error('InvalidRequest', 'Destination bucket must exist.')
  if (found.row.id === bucket.row.id)
    throw new S3Error('InvalidRequest', 'Destination bucket cannot be the same as the source bucket.')
  if (found.row.versioning !== 'Enabled')
    throw new S3Error('InvalidRequest', 'Destination bucket must have versioning enabled.')
}
