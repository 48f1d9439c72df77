/** What a server sent abroad unexplained, by class. */
export type Summary = { readonly unexplainedBytes: number }
