// The step back when the start is known: two opinions about x_{t−1}, and their product.  No DOM.

import { constantBetas, cosineBetas, linearBetas, scheduleOf } from './betas.js';

/** The schedules of the posterior widget, by name. */
export const POSTERIOR_KINDS = ['linear', 'cosine', 'constant'];

/** A schedule of T steps; the constant one has β = 0.01. */
export function posteriorSchedule(kind, T) {
  return scheduleOf(kind === 'linear' ? linearBetas(T) : kind === 'cosine' ? cosineBetas(T) : constantBetas(T, 0.01));
}

/** The factors that the mean gives to x_0 and to x_t. */
export function weightsAt(schedule, t) {
  const { alphaBar, beta, noiseShare } = schedule;
  return {
    onStart: (Math.sqrt(alphaBar[t - 1]) * beta[t]) / noiseShare[t],
    onNow: (Math.sqrt(1 - beta[t]) * noiseShare[t - 1]) / noiseShare[t] + 0,
  };
}

/**
 * Both factors as functions of x_{t−1}, each a centre and a standard deviation, and their product.
 * `step` is q(x_t | x_{t−1}), `jump` is q(x_{t−1} | x_0); at t = 1 the jump is a point, and so is the product.
 * `apart`: how far the centres lie apart, in standard deviations of their difference.
 */
export function productAt(schedule, t, x0, xt) {
  const { alphaBar, beta, noiseShare } = schedule;
  const alpha = 1 - beta[t];
  const step = { centre: xt / Math.sqrt(alpha), sd: Math.sqrt(beta[t] / alpha) };
  const jump = { centre: Math.sqrt(alphaBar[t - 1]) * x0, sd: Math.sqrt(noiseShare[t - 1]) + 0 }; // + 0: no −0 at t = 1
  const { onStart, onNow } = weightsAt(schedule, t);
  const variance = (beta[t] * noiseShare[t - 1]) / noiseShare[t] + 0;
  return {
    alpha,
    beta: beta[t],
    step,
    jump,
    onStart,
    onNow,
    mean: onStart * x0 + onNow * xt,
    variance,
    sd: Math.sqrt(variance),
    apart: Math.abs(step.centre - jump.centre) / Math.hypot(step.sd, jump.sd),
  };
}

/**
 * The stretch of x_{t−1} worth drawing: the product, and each centre unless its bell is nearly flat there.
 * Its half width and its middle move in calm steps.
 */
export function stretch({ step, jump, mean, sd }, niceAbove) {
  let reach = 4.5 * sd;
  for (const [own, other] of [[step, jump], [jump, step]]) {
    if (own.sd <= 6 * other.sd || other.sd === 0) reach = Math.max(reach, Math.abs(own.centre - mean) + 2.2 * own.sd);
  }
  const half = niceAbove(Math.max(reach, 1e-6));
  const middle = Math.round(mean / (half / 2)) * (half / 2);
  return [middle - 1.25 * half, middle + 1.25 * half];
}
