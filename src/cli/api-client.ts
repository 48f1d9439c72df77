/** The customer's calls to the control API. */
import { HoldfastError } from '../core/errors.ts'
import { type CustomerCredentials, customerFiles } from './customer-folder.ts'
import { keepPromises } from './kept-promises.ts'

export class ApiRefused extends Error {
  readonly status: number
  readonly error: string
  constructor(status: number, error: string, message: string) {
    super(message)
    this.status = status
    this.error = error
  }
}

/** The raw answer; rejects with `peer-unavailable` when there is none and with `ApiRefused` when it says no. */
export async function fetchApi(
  api: string,
  method: 'GET' | 'POST',
  path: string,
  token: string | null,
  body?: unknown,
  signal?: AbortSignal,
): Promise<Response> {
  let response: Response
  try {
    response = await fetch(`${api}/api/v1${path}`, {
      method,
      headers: {
        ...(token !== null && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    })
  } catch (error) {
    throw new HoldfastError(
      'peer-unavailable',
      `nothing answers at ${api}; is \`npm start\` or \`holdfast serve\` running?`,
      {},
      error,
    )
  }
  if (response.ok) return response
  const answer = (await response.json().catch(() => ({}))) as { error?: string; message?: string }
  throw new ApiRefused(response.status, answer.error ?? 'failed', answer.message ?? `HTTP ${response.status}`)
}

export async function callApi(
  api: string,
  method: 'GET' | 'POST',
  path: string,
  token: string | null,
  body?: unknown,
): Promise<unknown> {
  return (await fetchApi(api, method, path, token, body)).json()
}

/** A tenant's call that enters something: what its answer promises is kept in the tenant's folder. */
export async function orderApi(
  { api, apiToken }: Pick<CustomerCredentials, 'api' | 'apiToken'>,
  folder: string,
  path: string,
  body: unknown,
): Promise<unknown> {
  const response = await fetchApi(api, 'POST', path, apiToken, body)
  await keepPromises(customerFiles(folder).promises, response.headers.get('x-holdfast-promise'))
  return response.json()
}

/** The keys of a region's log, which are public. */
export async function fetchLogKeys(api: string, region: string): Promise<unknown> {
  const response = await fetch(`${api}/log/${encodeURIComponent(region)}/keys`).catch((error: unknown) => {
    throw new HoldfastError('peer-unavailable', `nothing answers at ${api}`, {}, error)
  })
  if (!response.ok)
    throw new HoldfastError('peer-refused', `${api}: HTTP ${response.status} for the keys of ${region}`)
  return response.json()
}
