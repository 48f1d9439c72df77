/** Which web pages may call a bucket: the rules, as a document and as they are matched. */
import { S3Error } from '../errors.ts'
import { children, childText, parseXml, type XmlElement, xmlDocument } from '../xml.ts'

export interface CorsRule {
  readonly id: string | null
  readonly methods: readonly string[]
  readonly origins: readonly string[]
  readonly headers: readonly string[]
  readonly exposed: readonly string[]
  readonly maxAgeSeconds: number | null
}

const methods = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE']
const maxRules = 100
const maxIdCharacters = 255

export function parseCors(body: Uint8Array): string {
  return xmlDocument('CORSConfiguration', {
    CORSRule: readCors(body).map(rule => ({
      ID: rule.id ?? undefined,
      AllowedOrigin: rule.origins,
      AllowedMethod: rule.methods,
      AllowedHeader: rule.headers,
      MaxAgeSeconds: rule.maxAgeSeconds ?? undefined,
      ExposeHeader: rule.exposed,
    })),
  })
}

export function readCors(body: Uint8Array): CorsRule[] {
  const rules = children(parseXml(body, 'CORSConfiguration'), 'CORSRule').map(readRule)
  if (rules.length === 0) throw new S3Error('MalformedXML')
  if (rules.length > maxRules)
    throw new S3Error(
      'InvalidRequest',
      'The number of CORS rules should not exceed allowed limit of 100 rules.',
    )
  return rules
}

function readRule(element: XmlElement): CorsRule {
  const rule = {
    id: childText(element, 'ID') ?? null,
    methods: texts(element, 'AllowedMethod'),
    origins: texts(element, 'AllowedOrigin'),
    headers: texts(element, 'AllowedHeader'),
    exposed: texts(element, 'ExposeHeader'),
    maxAgeSeconds: seconds(childText(element, 'MaxAgeSeconds')),
  }
  if (rule.methods.length === 0 || rule.origins.length === 0) throw new S3Error('MalformedXML')
  if ((rule.id?.length ?? 0) > maxIdCharacters)
    throw new S3Error('InvalidRequest', 'The ID of a CORS rule may have up to 255 characters.')
  for (const method of rule.methods) {
    if (!methods.includes(method))
      throw new S3Error(
        'InvalidRequest',
        `Found unsupported HTTP method in CORS config. Unsupported method is ${method}`,
      )
  }
  for (const [name, list] of [
    ['AllowedOrigin', rule.origins],
    ['AllowedHeader', rule.headers],
  ] as const) {
    const several = list.find(text => text.split('*').length > 2)
    if (several !== undefined)
      throw new S3Error('InvalidRequest', `${name} "${several}" can not have more than one wildcard.`)
  }
  const wild = rule.exposed.find(text => text.includes('*'))
  if (wild !== undefined)
    throw new S3Error(
      'InvalidRequest',
      `ExposeHeader "${wild}" contains wildcard. We currently do not support wildcard for ExposeHeader.`,
    )
  return rule
}

function texts(element: XmlElement, name: string): string[] {
  const value = element[name]
  const list = value === undefined ? [] : Array.isArray(value) ? value : [value]
  return list.map(text => {
    if (typeof text !== 'string' || text.trim() === '') throw new S3Error('MalformedXML')
    return text.trim()
  })
}

function seconds(text: string | undefined): number | null {
  if (text === undefined) return null
  if (!/^\d{1,9}$/.test(text.trim())) throw new S3Error('MalformedXML')
  return Number(text)
}
