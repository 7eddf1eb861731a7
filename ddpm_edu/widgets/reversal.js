// The step back in one dimension: q(x_{t−1} | x_t) by Bayes' rule, for a histogram with some noise in it.  No DOM.
//
//     x_{t−1} = s · x_0 + √noise · ε,     s = √(1 − noise),         x_t = √α · x_{t−1} + √β · ε,     α = 1 − β
//
// For one value of x_0 everything is Gaussian, so that the kernel is a sum of Gaussians of one known width, weighted over
// the bars.  Sums over evenly spaced points then give its integrals to rounding.

import { SQRT_2PI, SQRT_HALF, erfc, erfcx, normalCdf, normalCdfDifference } from './normal.js';

const LOG_SQRT_2PI = Math.log(SQRT_2PI);

/** The law of x_{t−1}: a histogram as `makeHistogram` gives it, with a share of noise from 0 to below 1. */
export function noisyBars(histogram, noise) {
  const s = Math.sqrt(1 - noise);
  const { low, width, mass, count } = histogram;
  const edges = Float64Array.from({ length: count + 1 }, (_, k) => s * (low + k * width));
  const density = mass.map((m) => m / (s * width));
  let first = 0;
  let last = count - 1;
  while (density[first] === 0) first += 1;
  while (density[last] === 0) last -= 1;
  return { s, noise, sigma: Math.sqrt(noise), edges, density, first, last, mean: s * histogram.mean, variance: s * s * histogram.variance + noise };
}

/** log(Φ(z + h) − Φ(z)) for h > 0, finite in the far tails too. */
export function logCdfDifference(z, h) {
  const middle = z + 0.5 * h;
  if (middle > 0) return logCdfDifference(-(z + h), h);
  if (z + h > 0) return Math.log(normalCdfDifference(z, h));
  if (h * Math.max(1, -middle) < 0.2) {
    const q = 0.25 * h * h;
    const c = middle * middle;
    const series = 1 + (q / 6) * (c - 1) + ((q * q) / 120) * ((c - 6) * c + 3) + ((q * q * q) / 5040) * (((c - 15) * c + 45) * c - 15);
    return -0.5 * c - LOG_SQRT_2PI + Math.log(h * series);
  }
  const near = -(z + h);
  return -0.5 * near * near + Math.log(0.5 * (erfcx(near * SQRT_HALF) - Math.exp(-h * (near + 0.5 * h)) * erfcx(-z * SQRT_HALF)));
}

/** The logarithm of the density of x_{t−1} at x: −∞ outside the bars where there is no noise. */
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
  const parts = [];
  for (let k = first; k <= last; k++) {
    if (density[k] > 0) parts.push(Math.log(density[k]) + logCdfDifference((x - edges[k + 1]) / sigma, (edges[k + 1] - edges[k]) / sigma));
  }
  const top = Math.max(...parts);
  return top + Math.log(parts.reduce((total, part) => total + Math.exp(part - top), 0));
}

/** The slope of the log-density at x, and the slope of that; of a law with noise. */
export function scoreOf(law, x) {
  const { sigma, edges, density, first, last } = law;
  const logP = logDensity(law, x);
  let slope = 0;
  let bend = 0;
  for (let k = first; k <= last; k++) {
    if (density[k] === 0) continue;
    const h = (edges[k + 1] - edges[k]) / sigma;
    const c = (x - 0.5 * (edges[k] + edges[k + 1])) / sigma;
    // with φ± = φ(c ± h/2):  φ₊ − φ₋  and  φ′₊ − φ′₋ = −(c + h/2) φ₊ + (c − h/2) φ₋, without cancellation for narrow bars
    const half = 0.5 * c * h;
    const plus = Math.exp(-0.5 * (c + 0.5 * h) ** 2 - logP);
    const minus = Math.exp(-0.5 * (c - 0.5 * h) ** 2 - logP);
    const apart = Math.abs(half) < 1 ? -2 * Math.exp(-0.5 * c * c - 0.125 * h * h - logP) * Math.sinh(half) : plus - minus;
    slope += density[k] * apart;
    bend -= density[k] * (c * apart + 0.5 * h * (plus + minus));
  }
  const score = slope / (SQRT_2PI * sigma);
  return { logP, score, slope: bend / (SQRT_2PI * sigma * sigma) - score * score };
}

/** The law of x_t, one step on; of x_{t−1} with α = 1 − β above 0. */
export function stepOn(law, beta) {
  const root = Math.sqrt(1 - beta);
  const noise = (1 - beta) * law.noise + beta;
  return { ...law, s: root * law.s, noise, sigma: Math.sqrt(noise), edges: law.edges.map((e) => root * e), density: law.density.map((d) => d / root) };
}

/**
 * Tweedie's two moments of q(x_{t−1} | x_t), from the score of x_t and its slope; null where α = 0 leaves nothing to divide
 * by. Their variance is null where x_t lies so far out that rounding has eaten its digits.
 */
export function tweedie(law, beta, xt) {
  const alpha = 1 - beta;
  if (alpha === 0 || beta === 0) return null;
  const { score, slope } = scoreOf(stepOn(law, beta), xt);
  const share = 1 + beta * slope;
  const lost = 1e-13 * beta * score * score > 1e-3 * share;
  return { score, slope, mean: (xt + beta * score) / Math.sqrt(alpha), variance: lost ? null : (beta / alpha) * share };
}

/** Nodes and weights of Gauss–Legendre quadrature on [−1, 1]. */
const GAUSS = ((n) => {
  const nodes = [];
  const weights = [];
  for (let i = 0; i < n; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let step = 0; step < 8; step++) {
      let [before, now] = [1, x];
      for (let k = 2; k <= n; k++) [before, now] = [now, ((2 * k - 1) * x * now - (k - 1) * before) / k];
      slope = (n * (x * now - before)) / (x * x - 1);
      x -= now / slope;
    }
    nodes.push(x);
    weights.push(2 / ((1 - x * x) * slope * slope));
  }
  return { nodes, weights };
})(16);

// Both kinds of nodes know how much of a Gaussian lies outside of them: null where they do not resolve its tails.

/** Evenly spaced points over all the Gaussians that make up the kernel, `fine` of them to one width. */
function evenNodes(law, alpha, beta, xt, fine) {
  const width = 1 / Math.sqrt(1 / law.noise + alpha / beta);
  const centre = (mean) => width * width * (mean / law.noise + (Math.sqrt(alpha) * xt) / beta);
  const low = centre(law.edges[law.first]) - 10 * width;
  const high = centre(law.edges[law.last + 1]) + 10 * width;
  const count = Math.ceil(((high - low) / width) * fine);
  const step = (high - low) / count;
  const x = new Float64Array(count + 1);
  for (let i = 0; i <= count; i++) x[i] = low + i * step;
  const outside = (mean, sd) => (low < mean - 8.5 * sd && high > mean + 8.5 * sd ? 0 : null);
  return { x, weights: new Float64Array(count + 1).fill(step), width, outside };
}

/** Panels of points on bars without noise: on each bar the kernel is a piece of one Gaussian. */
function barNodes(law, alpha, beta, xt) {
  const width = alpha === 0 ? Infinity : Math.sqrt(beta / alpha);
  const centre = alpha === 0 ? 0 : xt / Math.sqrt(alpha);
  const { edges, density, first, last } = law;
  const height = (k, x) => Math.log(density[k]) - (alpha === 0 ? 0 : 0.5 * ((x - centre) / width) ** 2);
  const bars = [];
  for (let k = first; k <= last; k++) {
    if (density[k] === 0) continue;
    const peak = Math.min(edges[k + 1], Math.max(edges[k], centre));
    bars.push({ k, peak, top: height(k, peak) });
  }
  const top = Math.max(...bars.map((bar) => bar.top));
  const panels = [];
  for (const { k, peak, top: own } of bars) {
    if (own < top - 45) continue;
    const scale = alpha === 0 ? Infinity : Math.min(width, (width * width) / Math.abs(peak - centre));
    for (const side of [-1, 1]) {
      const end = side < 0 ? edges[k] : edges[k + 1];
      for (let from = peak; side * (end - from) > 0 && height(k, from) > top - 45; ) {
        const to = side * (end - from) < 1.5 * scale ? end : from + side * 1.5 * scale;
        if (to === from) break;
        panels.push(side < 0 ? [to, from] : [from, to]);
        from = to;
      }
    }
  }
  panels.sort((a, b) => a[0] - b[0]);
  const n = GAUSS.nodes.length;
  const x = new Float64Array(panels.length * n);
  const weights = new Float64Array(x.length);
  panels.forEach(([a, b], p) => {
    for (let i = 0; i < n; i++) {
      x[p * n + i] = 0.5 * (a + b) - 0.5 * (b - a) * GAUSS.nodes[i];
      weights[p * n + i] = 0.5 * (b - a) * GAUSS.weights[i];
    }
  });
  const outside = (mean, sd) => {
    let mass = normalCdf((panels[0][0] - mean) / sd) + normalCdf((mean - panels[panels.length - 1][1]) / sd);
    for (let p = 1; p < panels.length; p++) {
      const gap = panels[p][0] - panels[p - 1][1];
      if (gap > 0) mass += normalCdfDifference((panels[p - 1][1] - mean) / sd, gap / sd);
    }
    return mass;
  };
  return { x, weights, width, outside };
}

/**
 * q(x_{t−1} | x_t) at one x_t: where it lives, its moments by quadrature, and KL(kernel ‖ Gaussian of equal moments), in nats.
 * With a coarse grid (fine = 3) the divergence is good to some 1e-6 of itself, and costs half as much.
 */
export function reverseKernel(law, beta, xt, fine = 6) {
  const alpha = 1 - beta;
  const root = Math.sqrt(alpha);
  const { x, weights, width, outside } = law.noise > 0 ? evenNodes(law, alpha, beta, xt, fine) : barNodes(law, alpha, beta, xt);
  const count = x.length;
  const logP = new Float64Array(count);
  let top = -Infinity;
  for (let i = 0; i < count; i++) {
    logP[i] = logDensity(law, x[i]) - (xt - root * x[i]) ** 2 / (2 * beta);
    if (logP[i] > top) top = logP[i];
  }
  let total = 0;
  let first = 0;
  for (let i = 0; i < count; i++) {
    const m = weights[i] * Math.exp(logP[i] - top);
    total += m;
    first += m * x[i];
  }
  const mean = first / total;
  let second = 0;
  for (let i = 0; i < count; i++) second += weights[i] * Math.exp(logP[i] - top) * (x[i] - mean) ** 2;
  const variance = second / total;
  const logTotal = top + Math.log(total);
  for (let i = 0; i < count; i++) logP[i] -= logTotal;

  // where the nodes hold all of the Gaussian too, p log(p/g) − p + g is summed, which is nowhere negative and keeps its digits
  const sd = Math.sqrt(variance);
  const beyond = outside(mean, sd);
  const near = beyond !== null;
  const shift = Math.log(sd) + LOG_SQRT_2PI;
  let kl = near ? beyond : 0;
  for (let i = 0; i < count; i++) {
    const p = Math.exp(logP[i]);
    const z = (x[i] - mean) / sd;
    const ratio = logP[i] + 0.5 * z * z + shift;
    if (!near) kl += p > 0 ? weights[i] * p * ratio : 0;
    else if (p === 0) kl += weights[i] * Math.exp(-0.5 * z * z - shift);
    // −r + 1 − e^{−r} with its first terms where they would cancel
    else if (Math.abs(ratio) < 1e-3) kl += weights[i] * p * ratio * ratio * (0.5 - ratio / 6 + (ratio * ratio) / 24);
    else kl += weights[i] * p * (ratio + Math.expm1(-ratio));
  }
  return { alpha, beta, xt, x, logP, mean, variance, sd, width, logTotal, kl: Math.max(0, kl) };
}

/** The logarithm of q(x_{t−1} | x_t) at any x, given what `reverseKernel` found. */
export function logKernel(law, kernel, x) {
  return logDensity(law, x) - (kernel.xt - Math.sqrt(kernel.alpha) * x) ** 2 / (2 * kernel.beta) - kernel.logTotal;
}

/** How many humps the kernel has: peaks above a fiftieth of the highest, with dips of more than a tenth between them. */
export function humps({ logP }) {
  const top = Math.max(...logP);
  let found = 0;
  let climbing = true;
  let extreme = -Infinity;
  for (const value of logP) {
    if (climbing) {
      if (value > extreme) extreme = value;
      else if (value < extreme - 0.105) {
        if (extreme > top - 3.9) found += 1;
        climbing = false;
        extreme = value;
      }
    } else if (value < extreme) extreme = value;
    else if (value > extreme + 0.105) {
      climbing = true;
      extreme = value;
    }
  }
  return found + (climbing && extreme > top - 3.9 ? 1 : 0);
}
