// What the reverse widget shows, said in words that are right for every setting.  No DOM.

import { say, sayExactly } from './words.js';

/** A divergence too small for the sums to tell from nothing. */
export const LEAST_KL = 1e-16;

export function sayKl(kl, digits = 3) {
  return kl < LEAST_KL ? 'below 10⁻¹⁶' : say(kl, digits);
}

const COUNTS = ['no', 'one', 'two', 'three', 'four', 'five', 'six'];

/**
 * @param {{beta: number, x_t: number, noise: number, kernel: object | null, humps: number, fall: number | null,
 *          prior: {mean: number, sd: number}, logDensity: number}} now  `fall`: KL here over KL at half this β
 */
export function describeReverse(now) {
  const { beta, x_t: xt, noise, kernel, humps, fall } = now;
  if (beta === 0) {
    return `With β = 0 nothing is added and nothing shrunk: x_t−1 is x_t itself. The step back is the single point ${sayExactly(xt)}, and a point has no shape to compare with a Gaussian's.`;
  }
  const { kl, mean, sd } = kernel;
  const moments = `mean ${say(mean)}, standard deviation ${say(sd)}`;
  const said = [];
  if (beta === 1) {
    said.push(`With β = 1 nothing of x_t−1 is left in x_t, so x_t tells nothing about it: the step back is the law of x_t−1 as it was, with ${moments}, wherever x_t is.`);
  } else {
    said.push(`A step with β = ${sayExactly(beta)} adds noise of width ${say(Math.sqrt(beta), 2)}. Seen from x_t = ${sayExactly(xt)}, x_t−1 has ${moments}.`);
    if (now.logDensity < -25) {
      const density = now.logDensity > -690 ? `the density is ${say(Math.exp(now.logDensity), 1)}` : `the density’s logarithm is ${say(now.logDensity)}`;
      said.push(`Hardly anything ends up that far out (at x_t ${density}), but Bayes’ rule says where it would have come from.`);
    }
  }
  const away = `KL is ${sayKl(kl, 2)}${kl < LEAST_KL ? '' : ' nats'}`;
  const shape =
    humps > 1
      ? `It has ${COUNTS[humps] || humps} humps, and no Gaussian has more than one: ${away}.`
      : kl > 0.02
        ? `It has one hump, but not a Gaussian's: ${away}.`
        : kl > 1e-4
          ? `It is close to its best Gaussian: ${away}.`
          : `By eye it is its best Gaussian: ${away}.`;
  said.push(shape);
  if (beta < 1 && fall !== null) {
    if (fall >= 1.05) said.push(`Half this β would make the divergence ${say(fall, 2)} times smaller; a law of β³ says 8.`);
    else said.push('Half this β would not make the divergence smaller; a law of β³ says 8 times.');
  }
  if (noise === 0 && beta < 1) {
    said.push('The law of x_t−1 has no noise in it, so its bars keep sharp edges, and to those no step is small: near an edge the step back is never Gaussian, and inside a bar it is at once.');
  }
  return said.join(' ');
}
