// A histogram with some noise in it: x = s · x_0 + σ · ε.  Its density and score, finite in the far tails too.  No DOM.

import { SQRT_2PI, SQRT_HALF, erfc, erfcx, normalCdfDifference } from './normal.js';

/** The law of √(1 − noise) · x_0 + √noise · ε, for a histogram as `makeHistogram` gives it; noise from 0 to below 1. */
export function noisyBars(histogram, noise, s = Math.sqrt(1 - noise)) {
  const { low, width, mass, count } = histogram;
  const edges = Float64Array.from({ length: count + 1 }, (_, k) => s * (low + k * width));
  const density = mass.map((m) => m / (s * width));
  let first = 0;
  let last = count - 1;
  while (density[first] === 0) first += 1;
  while (density[last] === 0) last -= 1;
  return { s, noise, sigma: Math.sqrt(noise), edges, density, first, last, mean: s * histogram.mean, variance: s * s * histogram.variance + noise };
}

/** exp(−z²/2), as a multiple of exp(−nearest²/2), without the rounding of large squares. */
function bell(z, nearest) {
  return Math.exp(-0.5 * (Math.abs(z) - nearest) * (Math.abs(z) + nearest));
}

/** Φ(z + h) − Φ(z) for h > 0, as a multiple of exp(−nearest²/2); with nearest = 0 where the interval holds 0. */
function cdfDifference(z, h, nearest) {
  const middle = z + 0.5 * h;
  if (middle > 0) return cdfDifference(-(z + h), h, nearest);
  if (z + h > 0) return normalCdfDifference(z, h);
  if (h * Math.max(1, -middle) < 0.2) {
    const q = 0.25 * h * h;
    const c = middle * middle;
    const series = 1 + (q / 6) * (c - 1) + ((q * q) / 120) * ((c - 6) * c + 3) + ((q * q * q) / 5040) * (((c - 15) * c + 45) * c - 15);
    return (bell(middle, nearest) * h * series) / SQRT_2PI;
  }
  return 0.5 * (bell(z + h, nearest) * erfcx(-(z + h) * SQRT_HALF) - bell(z, nearest) * erfcx(-z * SQRT_HALF));
}

/** How many σ it is from x to the nearest bar that holds anything; 0 inside one. */
function nearestBar({ sigma, edges, density, first, last }, x) {
  let least = Infinity;
  for (let k = first; k <= last; k++) {
    if (density[k] > 0) least = Math.min(least, Math.max(0, edges[k] - x, x - edges[k + 1]));
  }
  return least / sigma;
}

/** The logarithm of the density at x: −∞ outside the bars where there is no noise. */
export function logDensity(law, x) {
  const { sigma, edges, density, first, last } = law;
  if (sigma === 0) {
    if (x < edges[first] || x > edges[last + 1]) return -Infinity;
    let k = Math.min(last, Math.max(first, Math.floor((x - edges[0]) / (edges[1] - edges[0]))));
    while (k > first && x < edges[k]) k -= 1;
    while (k < last && x >= edges[k + 1]) k += 1;
    return Math.log(density[k]);
  }
  let sum = 0;
  let z = (x - edges[first]) / sigma;
  let tail = 0.5 * erfc(Math.abs(z) * SQRT_HALF);
  for (let k = first; k <= last; k++) {
    const below = (x - edges[k + 1]) / sigma;
    if (below > 12) {
      z = NaN; // this bar and the edge to its right are too far to count, unless all are
      continue;
    }
    if (z < -12) break;
    if (Number.isNaN(z)) {
      z = (x - edges[k]) / sigma;
      tail = 0.5 * erfc(Math.abs(z) * SQRT_HALF);
    }
    const next = 0.5 * erfc(Math.abs(below) * SQRT_HALF);
    if (density[k] > 0) sum += density[k] * (below >= 0 ? next - tail : z <= 0 ? tail - next : 1 - next - tail);
    z = below;
    tail = next;
  }
  if (sum > 1e-14) return Math.log(sum);
  // far from the bars: everything as a multiple of what the nearest one would have
  const nearest = nearestBar(law, x);
  sum = 0;
  for (let k = first; k <= last; k++) {
    if (density[k] > 0) sum += density[k] * cdfDifference((x - edges[k + 1]) / sigma, (edges[k + 1] - edges[k]) / sigma, nearest);
  }
  return Math.log(sum) - 0.5 * nearest * nearest;
}

/** The slope of the log-density at x, and the slope of that; of a law with noise. */
export function scoreOf(law, x) {
  const { sigma, edges, density, first, last } = law;
  const nearest = nearestBar(law, x);
  let mass = 0;
  let slope = 0;
  let bend = 0;
  for (let k = first; k <= last; k++) {
    if (density[k] === 0) continue;
    const h = (edges[k + 1] - edges[k]) / sigma;
    const low = (x - edges[k + 1]) / sigma;
    const c = low + 0.5 * h;
    mass += density[k] * cdfDifference(low, h, nearest);
    // with φ± = φ(c ± h/2):  φ₊ − φ₋  and  φ′₊ − φ′₋ = −(c + h/2) φ₊ + (c − h/2) φ₋, without cancellation for narrow bars
    const half = 0.5 * c * h;
    const plus = bell(low + h, nearest);
    const minus = bell(low, nearest);
    const apart = Math.abs(half) < 1 ? -2 * bell(c, nearest) * Math.exp(-0.125 * h * h) * Math.sinh(half) : plus - minus;
    slope += density[k] * apart;
    bend -= density[k] * (c * apart + 0.5 * h * (plus + minus));
  }
  const score = slope / (SQRT_2PI * sigma * mass);
  return { score, slope: bend / (SQRT_2PI * sigma * sigma * mass) - score * score };
}

/** The law one step on, of √α · x + √β · ε with α = 1 − β above 0. */
export function stepOn(law, beta) {
  const root = Math.sqrt(1 - beta);
  const noise = (1 - beta) * law.noise + beta;
  return { ...law, s: root * law.s, noise, sigma: Math.sqrt(noise), edges: law.edges.map((e) => root * e), density: law.density.map((d) => d / root) };
}
