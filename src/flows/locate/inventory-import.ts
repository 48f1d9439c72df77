/**
 * Inventories in other forms than the table: YAML (or JSON) with the table's columns, and what the clouds' own commands
 * print of their machines. All become rows of the table; a machine has a row for each of its addresses.
 */
import { parse } from 'yaml'
import { HoldfastError, messageOf } from '../../core/errors.ts'
import { countryOfAlibabaRegion, countryOfRegion } from './provider-regions.ts'

/** Cells by the table's column. */
export type InventoryCells = Readonly<Record<string, string>>

type Fields = { readonly [key: string]: unknown }

/** `null`: not one of these forms, but the table itself. Throws `bad-input`. */
export function importInventory(name: string, text: string): InventoryCells[] | null {
  const isJson = /^\s*[{[]/.test(text)
  if (!isJson && !/^\s*(?:#.*\s+)*(?:---|servers:|- )/.test(text)) return null
  let value: unknown
  try {
    value = isJson ? JSON.parse(text) : parse(text, { maxAliasCount: 0 })
  } catch (error) {
    throw new HoldfastError('bad-input', `${name} is neither a table, JSON nor YAML: ${messageOf(error)}`)
  }
  const rows = forms.map(form => form(value)).find(found => found !== null)
  if (rows === undefined || rows === null || rows.length === 0) {
    throw new HoldfastError(
      'bad-input',
      `${name} is no inventory: a list of servers with cidr and server, or what aws ec2 describe-instances, gcloud compute instances list, az vm list-ip-addresses or aliyun ecs DescribeInstances print as JSON`,
    )
  }
  return rows
}

const forms: readonly ((value: unknown) => InventoryCells[] | null)[] = [amazon, alibaba, google, azure, own]

/** `aws ec2 describe-instances` */
function amazon(value: unknown): InventoryCells[] | null {
  const { Reservations } = fields(value)
  if (!Array.isArray(Reservations)) return null
  return Reservations.flatMap(each => list(fields(each).Instances)).flatMap(each => {
    const machine = fields(each)
    const tag = list(machine.Tags)
      .map(fields)
      .find(({ Key }) => Key === 'Name')
    const interfaces = list(machine.NetworkInterfaces).map(fields)
    const privates = interfaces.flatMap(one => list(one.PrivateIpAddresses).map(fields))
    return machineRows(
      text(tag?.Value) ?? text(machine.InstanceId),
      [
        machine.PrivateIpAddress,
        machine.PublicIpAddress,
        machine.Ipv6Address,
        ...privates.flatMap(one => [one.PrivateIpAddress, fields(one.Association).PublicIp]),
        ...interfaces.flatMap(one => list(one.Ipv6Addresses).map(address => fields(address).Ipv6Address)),
      ],
      text(fields(machine.Placement).AvailabilityZone),
    )
  })
}

/** `aliyun ecs DescribeInstances` */
function alibaba(value: unknown): InventoryCells[] | null {
  const machines = fields(fields(value).Instances).Instance
  if (!Array.isArray(machines)) return null
  return machines.flatMap(each => {
    const machine = fields(each)
    const of = (holder: unknown) => list(fields(holder).IpAddress)
    return machineRows(
      text(machine.InstanceName) ?? text(machine.InstanceId),
      [
        ...of(machine.InnerIpAddress),
        ...of(machine.PublicIpAddress),
        ...of(fields(machine.VpcAttributes).PrivateIpAddress),
        fields(machine.EipAddress).IpAddress,
      ],
      text(machine.RegionId),
      countryOfAlibabaRegion,
    )
  })
}

/** `gcloud compute instances list --format=json` */
function google(value: unknown): InventoryCells[] | null {
  if (!Array.isArray(value) || !value.some(each => Array.isArray(fields(each).networkInterfaces))) return null
  return value.flatMap(each => {
    const machine = fields(each)
    const interfaces = list(machine.networkInterfaces).map(fields)
    return machineRows(
      text(machine.name),
      interfaces.flatMap(one => [
        one.networkIP,
        one.ipv6Address,
        ...list(one.accessConfigs).map(access => fields(access).natIP),
        ...list(one.ipv6AccessConfigs).map(access => fields(access).externalIpv6),
      ]),
      text(machine.zone)?.split('/').at(-1) ?? null,
    )
  })
}

/** `az vm list-ip-addresses` */
function azure(value: unknown): InventoryCells[] | null {
  if (!Array.isArray(value) || !value.some(each => 'virtualMachine' in fields(each))) return null
  return value.flatMap(each => {
    const machine = fields(fields(each).virtualMachine)
    const network = fields(machine.network)
    const publics = list(network.publicIpAddresses).map(fields)
    return machineRows(
      text(machine.name),
      [...list(network.privateIpAddresses), ...publics.map(({ ipAddress }) => ipAddress)],
      text(machine.location),
    )
  })
}

/** A list of rows, or `servers:` with one; `cidr` may be a list. */
function own(value: unknown): InventoryCells[] | null {
  const rows = Array.isArray(value) ? value : fields(value).servers
  if (!Array.isArray(rows)) return null
  return rows.flatMap(each => {
    const { cidr, ...others } = fields(each)
    const cells = Object.fromEntries(
      Object.entries(others).flatMap(([key, cell]) => {
        const printed = cell instanceof Date ? cell.toISOString() : text(cell)
        return printed === null ? [] : [[key.toLowerCase(), printed]]
      }),
    )
    const cidrs = Array.isArray(cidr) ? cidr : [cidr]
    return cidrs.map(one => ({ ...cells, cidr: text(one) ?? '' }))
  })
}

function machineRows(
  name: string | null,
  addresses: readonly unknown[],
  zone: string | null,
  countryOf = countryOfRegion,
): InventoryCells[] {
  const found = new Set(addresses.map(text).filter(address => address !== null))
  const country = zone === null ? null : countryOf(zone)
  return [...found].map(cidr => ({
    cidr,
    server: name ?? cidr,
    ...(zone === null ? {} : { region: zone }),
    ...(country === null ? {} : { country }),
  }))
}

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function text(value: unknown): string | null {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null
}
