/**
 * What is out of the ordinary for this customer: an hour's number against the hours before. Simple on purpose, so that
 * whoever is woken by it can check it by hand: more than `atLeast`, and more than `times` the mean of the hours seen
 * (at most a week of them).
 */
import { z } from 'zod'

export const usualSchema = z.strictObject({
  hours: z.int(),
  mean: z.number(),
  hour: z.int(),
  count: z.int(),
})
export type Usual = z.infer<typeof usualSchema>

const weekHours = 168
const atLeast = 20
const times = 8

export function newUsual(hour: number): Usual {
  return { hours: 0, mean: 0, hour, count: 0 }
}

/** Adds to the hour at hand; hours that passed meanwhile, empty ones too, become part of the mean. */
export function countIn(usual: Usual, hour: number, count: number): Usual {
  let { hours, mean, hour: at, count: sum } = usual
  // Late rows of an hour that is over count for the one at hand: they are no less unusual.
  for (; at < hour && hours < Number.MAX_SAFE_INTEGER; at++) {
    const weight = Math.min(hours, weekHours)
    mean = (mean * weight + sum) / (weight + 1)
    hours++
    sum = 0
    // After a week of silence nothing changes any more.
    if (mean < 1e-6 && hour - at > weekHours) at = hour - 1
  }
  return { hours, mean, hour: at, count: sum + count }
}

/** What is unusual about the hour at hand, in words; `null` when nothing is, or too little was seen to say. */
export function unusual({ hours, mean, hour, count }: Usual, what: string): string | null {
  if (hours < 1 || count <= atLeast || count <= times * mean) return null
  return `${count} ${what} in the hour from ${new Date(hour * 3600e3).toISOString()}, where ${mean.toFixed(1)} an hour are usual`
}
