/** A string, or a mark of JSON that is none in a string. */
const tokens = /"(?:[^"\\]|\\.)*"|[{}[\],]/g

/**
 * The names of the members of an object, in the order of the text and each as often as it stands there: JSON.parse
 * silently takes the last of several, other readers the first. `text` must be an object that JSON.parse has read.
 */
export function topLevelNames(text: string): string[] {
  const names: string[] = []
  let depth = 0
  let isNameNext = false
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') {
      depth++
      isNameNext = depth === 1
    } else if (token === '}' || token === ']') depth--
    else if (token === ',') isNameNext = depth === 1
    else if (isNameNext) {
      // By its value: `\u0074ype` is the name `type` too.
      names.push(JSON.parse(token) as string)
      isNameNext = false
    }
  }
  return names
}
