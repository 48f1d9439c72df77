/** XML in and out. Out is written by hand (the shapes are small and fixed), in goes through a parser. */
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import { S3Error } from './errors.ts'

/** XML that is written, and escaped, already. */
export class RawXml {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type XmlNode =
  | RawXml
  | string
  | number
  | boolean
  | readonly XmlNode[]
  | { readonly [name: string]: XmlNode | undefined }

const header = '<?xml version="1.0" encoding="UTF-8"?>\n'
const s3Namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

/**
 * Arrays repeat their element, `undefined` leaves it out, an empty string writes it empty. Content that is itself an
 * array is written item by item, for lists that mix elements of several names.
 */
export function xmlDocument(root: string, content: XmlNode, namespace: string | null = s3Namespace): string {
  const attribute = namespace === null ? '' : ` xmlns="${namespace}"`
  return `${header}<${root}${attribute}>${inner(content)}</${root}>`
}

function inner(node: XmlNode): string {
  if (typeof node !== 'object') return escapeXml(String(node))
  if (node instanceof RawXml) return node.text
  if (isList(node)) return node.map(inner).join('')
  let out = ''
  for (const [name, value] of Object.entries(node)) {
    if (value === undefined) continue
    // An attribute on a child is written as part of its name: only ACL grantees need one.
    const close = name.split(' ', 1)[0]
    for (const each of Array.isArray(value) ? value : [value])
      out += `<${name}>${inner(each as XmlNode)}</${close}>`
  }
  return out
}

function isList(node: XmlNode): node is readonly XmlNode[] {
  return Array.isArray(node)
}

/** Control characters that XML 1.0 cannot carry are written as references, as S3 does; `url` encoding avoids them. */
export function escapeXml(text: string): string {
  if (!/[&<>"\u0000-\u001f\ufffe\uffff]/.test(text)) return text
  return text.replace(/[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g, c => {
    if (c === '&') return '&amp;'
    if (c === '<') return '&lt;'
    if (c === '>') return '&gt;'
    if (c === '"') return '&quot;'
    return `&#x${c.charCodeAt(0).toString(16)};`
  })
}

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  parseTagValue: false,
  trimValues: false,
  removeNSPrefix: true,
  // Without a DOCTYPE every reference is longer than what it stands for, so a limit would only refuse honest lists.
  processEntities: { enabled: true, maxExpandedLength: Number.POSITIVE_INFINITY },
  // What makes the parser resolve `&#13;`, as boto3 writes a carriage return in a key; the names that it also adds are
  // refused before.
  htmlEntities: true,
})

const cdata = /<!\[CDATA\[[\s\S]*?\]\]>/g
/** XML declares five names; any other, and a bare ampersand, is not well formed. The parser would let them pass. */
const undeclaredEntity = /&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-fA-F]{1,6});)/

/** The root element's content. A DOCTYPE is refused unread: no S3 request has one, and entity bombs need one. */
export function parseXml(body: Uint8Array, root: string): XmlElement {
  const text = Buffer.from(body).toString('utf8')
  if (
    /<!DOCTYPE|<!ENTITY/i.test(text) ||
    undeclaredEntity.test(text.replace(cdata, '')) ||
    XMLValidator.validate(text) !== true
  )
    throw new S3Error('MalformedXML')
  let parsed: unknown
  try {
    parsed = parser.parse(text)
  } catch {
    throw new S3Error('MalformedXML')
  }
  const element = isElement(parsed) ? parsed[root] : undefined
  // An element without content parses as a string.
  if (typeof element === 'string' && element.trim() === '') return {}
  if (!isElement(element)) throw new S3Error('MalformedXML')
  return element
}

export interface XmlElement {
  readonly [name: string]: unknown
}

export function childText(element: XmlElement, name: string): string | undefined {
  const value = element[name]
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw new S3Error('MalformedXML')
  return value
}

/** The one child of that name; one without content has no children of its own. */
export function child(element: XmlElement, name: string): XmlElement | undefined {
  const list = children(element, name)
  if (list.length > 1) throw new S3Error('MalformedXML')
  return list[0]
}

export function childBoolean(element: XmlElement, name: string): boolean | undefined {
  const text = childText(element, name)?.trim().toLowerCase()
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') throw new S3Error('MalformedXML')
  return text === 'true'
}

export function children(element: XmlElement, name: string): XmlElement[] {
  const value = element[name]
  if (value === undefined) return []
  // An element without content parses as a string.
  const list = (Array.isArray(value) ? value : [value]).map(each =>
    typeof each === 'string' && each.trim() === '' ? {} : each,
  )
  if (!list.every(isElement)) throw new S3Error('MalformedXML')
  return list
}

/** What was read, as it is written: to answer a document that was checked as it came. */
export function echoXml(value: unknown): XmlNode {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return value.map(echoXml)
  if (!isElement(value)) throw new S3Error('MalformedXML')
  return Object.fromEntries(Object.entries(value).map(([name, child]) => [name, echoXml(child)]))
}

function isElement(value: unknown): value is XmlElement {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
