/** Without control characters, escape sequences among them, and without marks that turn the direction of text. */
export function plain(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\uFFFD')
}

/** The same of each line: for messages that quote files which others wrote. */
export function plainLines(text: string): string {
  return text.split('\n').map(plain).join('\n')
}
