/** Order statistics of sorted columns. All of them are finite for finite input, and 0 for an empty column. */
function quantile(sorted: Float64Array, part: number): number {
  const last = sorted.length - 1
  if (last < 0) return 0
  const at = part * last
  const low = Math.floor(at)
  const high = Math.min(last, low + 1)
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (at - low)
}

export function median(sorted: Float64Array): number {
  return quantile(sorted, 0.5)
}

/** Median of the distances from `center`, by walking outwards from it: the column is sorted once only. */
export function medianDistance(sorted: Float64Array, center: number): number {
  const wanted = Math.ceil(sorted.length / 2)
  let right = lowerBound(sorted, center)
  let left = right - 1
  let distance = 0
  for (let taken = 0; taken < wanted; taken++) {
    const toLeft = left >= 0 ? center - sorted[left]! : Number.POSITIVE_INFINITY
    const toRight = right < sorted.length ? sorted[right]! - center : Number.POSITIVE_INFINITY
    if (toLeft <= toRight) left -= 1
    else right += 1
    distance = Math.min(toLeft, toRight)
  }
  return distance
}

/** The first index whose value is not below `value`. */
function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}

/** Bowley's measure of skewness, (Q1 + Q3 − 2 Q2) / (Q3 − Q1); 0 where the quartiles do not tell (from −1 to 1). */
export function bowleySkew(sorted: Float64Array, leastSpread: number): number {
  const q1 = quantile(sorted, 0.25)
  const q2 = quantile(sorted, 0.5)
  const q3 = quantile(sorted, 0.75)
  const spread = q3 - q1
  if (spread < leastSpread || spread === 0 || q2 === q1 || q2 === q3) return 0
  return (q1 + q3 - 2 * q2) / spread
}

/** Mean direction (radians) and length (0: spread evenly, 1: all the same) of angles given by their weights. */
export function circularMean(weights: Float64Array): { readonly angle: number; readonly length: number } {
  let x = 0
  let y = 0
  let sum = 0
  for (let i = 0; i < weights.length; i++) {
    const angle = (2 * Math.PI * (i + 0.5)) / weights.length
    x += weights[i]! * Math.cos(angle)
    y += weights[i]! * Math.sin(angle)
    sum += weights[i]!
  }
  return sum === 0 ? { angle: 0, length: 0 } : { angle: Math.atan2(y, x), length: Math.hypot(x, y) / sum }
}

/** Natural logarithm of P(X ≥ k), X binomial. Exact sums of at most `n` terms; `n` here is days, never connections. */
export function logBinomialTail(k: number, n: number, p: number): number {
  if (k <= 0 || p >= 1) return 0
  if (k > n || p <= 0) return Number.NEGATIVE_INFINITY
  let term = logChoose(n, k) + k * Math.log(p) + (n - k) * Math.log1p(-p)
  const first = term
  let sum = 1
  for (let i = k + 1; i <= n; i++) {
    term += Math.log((n - i + 1) / i) + Math.log(p) - Math.log1p(-p)
    sum += Math.exp(term - first)
  }
  return Math.min(0, first + Math.log(sum))
}

function logChoose(n: number, k: number): number {
  let sum = 0
  for (let i = 1; i <= Math.min(k, n - k); i++) sum += Math.log((n - i + 1) / i)
  return sum
}

/** From 0 at `from` to 1 at `to`, held at both ends. */
export function ramp(value: number, from: number, to: number): number {
  return Math.min(1, Math.max(0, (value - from) / (to - from)))
}
