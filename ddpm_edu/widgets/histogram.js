// A histogram of bars with equal width, as a distribution; and values counted into bins.  No DOM.

/**
 * A histogram on [low, high] with bars of equal width, scaled so that its area is 1.
 * @param {ArrayLike<number>} heights  finite, none negative, not all zero, in any unit
 */
export function makeHistogram(heights, low = -3, high = 3) {
  const count = heights.length;
  const width = (high - low) / count;
  let sum = 0;
  for (let k = 0; k < count; k++) sum += heights[k];
  const mass = new Float64Array(count);
  let mean = 0;
  for (let k = 0; k < count; k++) {
    mass[k] = heights[k] / sum;
    mean += mass[k] * (low + (k + 0.5) * width);
  }
  let variance = (width * width) / 12;
  for (let k = 0; k < count; k++) variance += mass[k] * (low + (k + 0.5) * width - mean) ** 2;
  return { low, high, count, width, mass, mean, variance, shapes: new Map() };
}

/** The value below which a share u of the histogram's area lies. */
export function histogramQuantile(histogram, u) {
  const { low, width, mass, count } = histogram;
  let below = 0;
  for (let k = 0; k < count; k++) {
    if (mass[k] > 0 && (below + mass[k] >= u || k === count - 1)) {
      return low + width * (k + Math.min(1, Math.max(0, (u - below) / mass[k])));
    }
    below += mass[k];
  }
  let last = count - 1;
  while (mass[last] === 0) last--;
  return low + width * (last + 1);
}

/** How many of the values fall into each of `bins` equal bins on [low, high]; values beyond are left out. */
export function countInto(counts, values, low, high) {
  counts.fill(0);
  const scale = counts.length / (high - low);
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor((values[i] - low) * scale);
    if (bin >= 0 && bin < counts.length) counts[bin] += 1;
  }
  return counts;
}
