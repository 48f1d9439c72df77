import { domainToASCII } from 'node:url'

const mostBytes = 253
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/

/**
 * The one spelling of a domain name: A-labels (RFC 5890) in lower case, without the dot at its end; `null` for what is
 * none, an address among them. What comes out is letters, digits, hyphens, underscores and dots, at most 253 of them, so
 * that a hostile name can do nothing to whoever prints it.
 */
export function domainName(text: string): string | null {
  if (text.length > mostBytes + 1) return null
  const plain = text.endsWith('.') ? text.slice(0, -1) : text
  // Only where it is needed: the mapping of UTS 46 would also make addresses of numbers.
  const ascii = /^[\u0021-\u007e]+$/.test(plain) ? plain.toLowerCase() : domainToASCII(plain)
  if (ascii === '' || ascii.length > mostBytes) return null
  const labels = ascii.split('.')
  // RFC 3696 section 2: a last label of digits alone would be an address.
  if (/^\d+$/.test(labels.at(-1)!)) return null
  return labels.every(part => label.test(part)) ? ascii : null
}
