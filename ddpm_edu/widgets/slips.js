// The museum's slips, as in ddpm_edu/slips.py: one sampler in one dimension, and what each slip changes in it.  No DOM.
//
// The network is the one that training would end at, exactly: E[what it is asked for | x_t], for one pixel of a picture.

import { linearBetas, scheduleOf } from './betas.js';
import { mixtureScore, pushMixture } from './mixture.js';
import { normalCdf } from './normal.js';
import { fillNormal, randomIntegers } from './random.js';

/** The data: mostly paper, which is nearly always the same, and sometimes ink. */
export const PIXEL = { weights: [0.7, 0.3], means: [-0.9, 0.5], stds: [0.015, 0.15] };

const rightly = (abar) => [Math.sqrt(abar), 0, Math.sqrt(1 - abar)];

/** Each slip's hooks; what is left out is right.  The words stand in slips.py. */
export const HOOKS = {
  none: {},
  'no-root': { fresh: (sigma, z) => sigma * sigma * z },
  'no-noise': { fresh: () => 0 },
  'last-noise': { noiseAtTheEnd: true },
  'uniform-noise': { fresh: (sigma, z) => sigma * normalCdf(z) },
  'time-early': { told: (t, k) => Math.max(t - k, 0) },
  'abar-index': { mean: (x, guess, eps, t, { beta, alphaBar, noiseShare }) => ((Math.sqrt(alphaBar[t]) * beta[t]) / noiseShare[t]) * guess + Math.sqrt(1 - beta[t]) * x },
  'beta-for-noise': { mean: (x, guess, eps, t, { beta }) => (x - Math.sqrt(beta[t]) * eps) / Math.sqrt(1 - beta[t]) },
  'unused-clip': { clips: true, error: (delta) => delta, epsAsItWas: true },
  'kept-range': { ends: () => [1e-4, 0.02] },
  'never-visited': { visited: (t, T, share) => t <= T - Math.max(1, Math.round(share * T)) },
  'unit-interval': { noised: (abar) => [Math.sqrt(abar) / 2, Math.sqrt(abar) / 2, Math.sqrt(1 - abar)] },
  'scaled-target': { target: (beta) => Math.sqrt(beta) },
  'rootless-forward': { noised: (abar) => [abar, 0, 1 - abar] },
};

/** The schedule of a slip, or the right one: β from 0.1/T to 20/T, so that x_T keeps next to nothing of x_0. */
export function slipSchedule(name, T) {
  const [first, last] = HOOKS[name].ends ? HOOKS[name].ends(T) : [0.1 / T, 20 / T];
  return scheduleOf(linearBetas(T, first, last));
}

/**
 * What a walk with a slip needs at every t.  `without`: the same T, clipping and network's error, but nothing wrong.
 * @param {string} name  a key of HOOKS
 * @param {number} strength  of the slip; any number where it has none
 */
export function planSlip(name, T, strength, without = false, data = PIXEL) {
  const own = HOOKS[name];
  const used = without ? { clips: own.clips, error: own.error } : own;
  const schedule = slipSchedule(without ? 'none' : name, T);
  const { noised = rightly, visited = () => true, target = () => 1, error = () => 0 } = used;
  const answers = Array.from({ length: T + 1 }, (_, t) => {
    if (t === 0 || !visited(t, T, strength)) return null; // the network answers 0
    const [scale, shift, std] = noised(schedule.alphaBar[t]);
    return { law: pushMixture(data, scale, shift, std), std, factor: target(schedule.beta[t]), off: t > T / 2 ? error(strength) : 0 };
  });
  return { name, T, strength, used, schedule, answers };
}

/** What the network answers when it is shown x and told t. */
export function answerAt(plan, t, x) {
  const answer = plan.answers[t];
  return answer ? answer.factor * (answer.off - answer.std * mixtureScore(answer.law, x)) : 0;
}

/** One step from x_t to x_{t−1}, for z from N(0, 1). */
export function slipStep(plan, t, x, z) {
  const { used, schedule, strength } = plan;
  const { beta, alphaBar, noiseShare } = schedule;
  let eps = answerAt(plan, used.told ? used.told(t, strength) : t, x);
  const root = Math.sqrt(noiseShare[t]);
  let guess = (x - root * eps) / Math.sqrt(alphaBar[t]);
  if (used.clips) {
    guess = Math.min(1, Math.max(-1, guess));
    if (!used.epsAsItWas) eps = (x - Math.sqrt(alphaBar[t]) * guess) / root;
  }
  const mean = used.mean ? used.mean(x, guess, eps, t, schedule) : (x - (beta[t] / root) * eps) / Math.sqrt(1 - beta[t]);
  if (t === 1 && !used.noiseAtTheEnd) return mean;
  const sigma = Math.sqrt(beta[t]);
  return mean + (used.fresh ? used.fresh(sigma, z) : sigma * z);
}

/** The noise of one particle: its x_T, then z of the steps from T, T − 1, … 1. */
export function slipNoise(T, seed, particle) {
  const noise = new Float64Array(T + 1);
  fillNormal(noise, randomIntegers(seed, particle));
  return noise;
}

/** The way of one particle, x_0 … x_T, written into `out`. */
export function slipWalk(plan, noise, out) {
  const { T } = plan;
  let x = noise[0];
  out[T] = x;
  for (let t = T; t > 0; t--) {
    x = slipStep(plan, t, x, noise[T - t + 1]);
    out[t - 1] = x;
  }
}
