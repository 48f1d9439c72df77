/** Countries and classes of data as Cedar has them, in the groups that packs and tenants' policies speak of. */
import { type DataClass, dataClasses, dataClassParents, parseDataClass } from '../data-classes.ts'
import type { CedarRequest } from './cedar.ts'
import type { Groups } from './pack.ts'

type Entities = CedarRequest['entities']

export const countryRef = (id: string) => ({ __entity: { type: 'Country', id } })
export const dataClassRef = (id: string) => ({ __entity: { type: 'DataClass', id } })

export function countryEntities({ groups }: Groups, countries: ReadonlySet<string>): Entities {
  return [...countries].map(id => ({
    uid: { type: 'Country', id },
    attrs: {},
    parents: namesWith(groups, id).map(group => ({ type: 'Group', id: group })),
  }))
}

/** The class with all that it is a kind of; nothing for one that nobody knows. */
export function dataClassEntities({ classGroups }: Groups, dataClass: string): Entities {
  const entities: Entities = []
  for (let at: DataClass | null = parseDataClass(dataClass); at !== null; at = dataClassParents[at]) {
    const parent = dataClassParents[at]
    const parents = [...(parent === null ? [] : [parent]), ...namesWith(classGroups, at)]
    entities.push({
      uid: { type: 'DataClass', id: at },
      attrs: {},
      parents: parents.map(id => ({ type: 'DataClass', id })),
    })
  }
  return entities
}

/** Cedar takes any name; one that is not there is a condition that never holds. */
export function isKnownName({ groups, classGroups }: Groups, type: string, name: string): boolean {
  switch (type) {
    case 'Group':
      return Object.hasOwn(groups, name)
    case 'Country':
      return /^[A-Z]{2}$/.test(name)
    case 'DataClass':
      return (dataClasses as readonly string[]).includes(name) || Object.hasOwn(classGroups, name)
    default:
      return true
  }
}

function namesWith(named: Readonly<Record<string, readonly string[]>>, member: string): string[] {
  return Object.keys(named).filter(name => named[name]!.includes(member))
}
