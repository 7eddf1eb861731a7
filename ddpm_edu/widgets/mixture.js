// A weighted sum of Gaussians as the law of one number: pushed through scale · x + shift + std · ε, counted on bars.  No DOM.

import { normalCdf } from './normal.js';

/** The law of scale · x + shift + std · ε. */
export function pushMixture({ weights, means, stds }, scale, shift, std) {
  return { weights, means: means.map((m) => scale * m + shift), stds: stds.map((s) => Math.sqrt(scale * scale * s * s + std * std)) };
}

/** The slope of its log-density at x, also far out, where the density underflows. */
export function mixtureScore({ weights, means, stds }, x) {
  let top = -Infinity;
  let total = 0;
  let slope = 0;
  for (let k = 0; k < weights.length; k++) {
    const z = (x - means[k]) / stds[k];
    const log = Math.log(weights[k] / stds[k]) - 0.5 * z * z;
    let share = 1;
    if (log > top) {
      const less = Math.exp(top - log);
      total *= less;
      slope *= less;
      top = log;
    } else share = Math.exp(log - top);
    total += share;
    slope -= (share * z) / stds[k];
  }
  return slope / total;
}

/** Its mean and standard deviation. */
export function mixtureMoments({ weights, means, stds }) {
  let mean = 0;
  let variance = 0;
  for (let k = 0; k < weights.length; k++) mean += weights[k] * means[k];
  for (let k = 0; k < weights.length; k++) variance += weights[k] * (stds[k] ** 2 + (means[k] - mean) ** 2);
  return { mean, sd: Math.sqrt(variance) };
}

/** The probability of values up to x. */
export function mixtureCdf({ weights, means, stds }, x) {
  let sum = 0;
  for (let k = 0; k < weights.length; k++) sum += weights[k] * normalCdf((x - means[k]) / stds[k]);
  return sum;
}
