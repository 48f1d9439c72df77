/**
 * Self-signed TLS identities that are pinned as they are: who a region or a key holder talks to is written down in
 * its configuration as that peer's certificate, so no certificate authority has a say.
 */
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

export interface TlsIdentity {
  /** PEM, PKCS #8. */
  readonly key: string
  /** PEM. Public: it is what peers pin. */
  readonly certificate: string
}

const validityYears = 20
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** A fresh P-256 key with its certificate. `names` are DNS names or addresses; pinning does not look at them. */
export async function createTlsIdentity(
  name: string,
  names: readonly string[],
  nowUnixMs: number,
): Promise<TlsIdentity> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const isAddress = (text: string): boolean => /^[\d.]+$|:/.test(text)
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${name}`,
      notBefore: new Date(nowUnixMs - 3600e3),
      notAfter: new Date(nowUnixMs + validityYears * 365 * 86_400e3),
      signingAlgorithm: algorithm,
      keys,
      extensions: [
        new BasicConstraintsExtension(true, 0, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature | KeyUsageFlags.keyCertSign, true),
        new SubjectAlternativeNameExtension(
          names.map(value => ({ type: isAddress(value) ? 'ip' : 'dns', value }) as const),
        ),
      ],
    },
    webcrypto as never,
  )
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { key: PemConverter.encode(pkcs8, 'PRIVATE KEY'), certificate: certificate.toString('pem') }
}
