import type { CountryCode } from '../../core/ids.ts'

/**
 * Countries of the regions of large clouds, as the providers' own documents name their places. A region that is not here
 * places nothing: the databases vote then.
 */
const countries: Readonly<Record<string, string>> = {
  // Amazon Web Services
  ZA: 'af-south-1 africa-south1 southafricanorth southafricawest af-johannesburg-1',
  HK: 'ap-east-1 asia-east2 eastasia cn-hongkong ap-hongkong',
  TW: 'ap-east-2 asia-east1 taiwannorth taiwannorthwest',
  IN: 'ap-south-1 ap-south-2 asia-south1 asia-south2 centralindia southindia westindia jioindiawest jioindiacentral ap-mumbai-1 ap-hyderabad-1 in-mumbai ap-mumbai',
  SG: 'ap-southeast-1 asia-southeast1 southeastasia ap-singapore-1 ap-singapore-2 ap-singapore',
  AU: 'ap-southeast-2 ap-southeast-4 australia-southeast1 australia-southeast2 australiaeast australiasoutheast australiacentral australiacentral2 ap-sydney-1 ap-melbourne-1',
  ID: 'ap-southeast-3 asia-southeast2 indonesiacentral ap-batam-1 ap-jakarta',
  MY: 'ap-southeast-5 malaysiawest malaysiasouth',
  NZ: 'ap-southeast-6 newzealandnorth',
  TH: 'ap-southeast-7 asia-southeast3 ap-bangkok',
  JP: 'ap-northeast-1 ap-northeast-3 asia-northeast1 asia-northeast2 japaneast japanwest ap-tokyo-1 ap-osaka-1 ap-tokyo',
  KR: 'ap-northeast-2 asia-northeast3 koreacentral koreasouth ap-seoul-1 ap-chuncheon-1 ap-seoul',
  CA: 'ca-central-1 ca-west-1 northamerica-northeast1 northamerica-northeast2 canadacentral canadaeast ca-toronto-1 ca-montreal-1',
  CN: 'cn-north-1 cn-northwest-1 chinaeast chinaeast2 chinaeast3 chinanorth chinanorth2 chinanorth3',
  DE: 'eu-central-1 eusc-de-east-1 europe-west3 europe-west10 germanywestcentral germanynorth germanycentral germanynortheast eu-frankfurt-1 eu-frankfurt',
  CH: 'eu-central-2 europe-west6 switzerlandnorth switzerlandwest eu-zurich-1',
  IE: 'eu-west-1 northeurope',
  GB: 'eu-west-2 europe-west2 uksouth ukwest uk-london-1 uk-cardiff-1',
  FR: 'eu-west-3 europe-west9 francecentral francesouth eu-marseille-1 eu-paris-1',
  SE: 'eu-north-1 europe-north2 swedencentral swedensouth eu-stockholm-1',
  IT: 'eu-south-1 europe-west8 europe-west12 italynorth eu-milan-1',
  ES: 'eu-south-2 europe-southwest1 spaincentral eu-madrid-1',
  IL: 'il-central-1 me-west1 israelcentral il-jerusalem-1',
  BH: 'me-south-1',
  AE: 'me-central-1 uaenorth uaecentral me-dubai-1 me-abudhabi-1',
  MX: 'mx-central-1 northamerica-south1 mexicocentral mx-queretaro-1 mx-monterrey-1',
  BR: 'sa-east-1 southamerica-east1 brazilsouth brazilsoutheast sa-saopaulo-1 sa-vinhedo-1',
  // Google Cloud, Azure and Oracle alone
  BE: 'europe-west1 belgiumcentral',
  NL: 'europe-west4 westeurope eu-amsterdam-1',
  FI: 'europe-north1',
  PL: 'europe-central2 polandcentral',
  QA: 'me-central1 qatarcentral',
  SA: 'me-central2 me-jeddah-1 me-riyadh-1',
  CL: 'southamerica-west1 chilecentral sa-santiago-1 sa-valparaiso-1',
  CO: 'sa-bogota-1',
  NO: 'norwayeast norwaywest',
  AT: 'austriaeast',
  DK: 'denmarkeast',
}

/** Regions whose names say the country. */
const byPattern: readonly (readonly [RegExp, string])[] = [
  [/^us-(?:gov-)?(?:north|south|east|west|central|ashburn|phoenix|sanjose|chicago|silicon|virginia)/, 'US'],
  [
    /^(?:us(?:gov|dod|sec|nat)\w*|(?:east|west|central|northcentral|southcentral|westcentral)us\d?\w*)$/,
    'US',
  ],
  // Alibaba Cloud and Tencent Cloud on the mainland: cn-beijing, ap-guangzhou.
  [/^cn-(?!hongkong)[a-z]+/, 'CN'],
  [/^ap-(?:beijing|shanghai|guangzhou|chengdu|chongqing|nanjing)/, 'CN'],
]

const byRegion = new Map(
  Object.entries(countries).flatMap(([country, regions]) =>
    regions.split(' ').map(region => [region, country as CountryCode] as const),
  ),
)

/** Alibaba Cloud has names that mean other places with Amazon. */
const alibabaRegions: Readonly<Record<string, string>> = {
  'eu-west-1': 'GB',
  'ap-southeast-3': 'MY',
  'ap-southeast-5': 'ID',
  'ap-southeast-6': 'PH',
  'me-east-1': 'AE',
  'me-central-1': 'SA',
  'na-south-1': 'MX',
}

export function countryOfAlibabaRegion(region: string): CountryCode | null {
  const name = region.trim().toLowerCase()
  return (alibabaRegions[name] as CountryCode | undefined) ?? countryOfRegion(name)
}

/** Takes a zone's name as well: `ap-south-1a`, `asia-south1-b`. */
export function countryOfRegion(region: string): CountryCode | null {
  const name = region.trim().toLowerCase()
  for (const tried of [name, name.replace(/-[a-z]$/, ''), name.replace(/(\d)[a-z]$/, '$1')]) {
    const country = byRegion.get(tried)
    if (country !== undefined) return country
  }
  const found = byPattern.find(([pattern]) => pattern.test(name))
  return found === undefined ? null : (found[1] as CountryCode)
}
