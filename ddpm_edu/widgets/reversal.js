// The step back in one dimension: q(x_{t−1} | x_t) by Bayes' rule, for a histogram with some noise in it.  No DOM.
//
//     x_{t−1} = s · x_0 + √noise · ε,     s = √(1 − noise),         x_t = √α · x_{t−1} + √β · ε,     α = 1 − β
//
// For one value of x_0 everything is Gaussian, so that the kernel is a sum of Gaussians of one known width, weighted over
// the bars.  Sums over evenly spaced points then give its integrals to rounding.

import { logDensity, scoreOf, stepOn } from './noisy-bars.js';
import { SQRT_2PI, normalCdf, normalCdfDifference } from './normal.js';

const LOG_SQRT_2PI = Math.log(SQRT_2PI);

/**
 * Tweedie's two moments of q(x_{t−1} | x_t), from the score of x_t and its slope; null where α = 0 leaves nothing to divide
 * by. Their variance is null where x_t lies so far out that rounding has eaten its digits.
 */
export function tweedie(law, beta, xt) {
  const alpha = 1 - beta;
  if (alpha === 0 || beta === 0) return null;
  const { score, slope } = scoreOf(stepOn(law, beta), xt);
  const share = 1 + beta * slope;
  const lost = 1e-11 * beta * score * score > 1e-3 * share;
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
