// Walking back from N(0, 1) to a histogram with the exact score, one particle at a time.  No DOM.
//
// x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε has the histogram's bars shrunk and blurred for its law, and the noise that the best
// model would guess in x_t is  ε*(x_t, t) = −√(1 − ᾱ_t) · (slope of its log-density at x_t).

import { cosineBetas, scheduleOf } from './betas.js';
import { noisyBars, scoreOf } from './noisy-bars.js';
import { SQRT_2PI, SQRT_HALF, erfcx } from './normal.js';
import { fillNormal, randomIntegers } from './random.js';

/**
 * β_t whose ᾱ_t ends near 0 for any number of steps, 1 included.  "linear": the noise grows at a rate that rises in a
 * straight line, from 0.1 to 20 in the unit of all the way; at T = 1000 that is the linear schedule to 1e-5.
 */
export function stretchedBetas(kind, T) {
  if (kind === 'cosine') return cosineBetas(T);
  const total = (u) => u * (0.1 + 0.5 * 19.9 * u);
  const betas = new Float64Array(T + 1);
  for (let t = 1; t <= T; t++) betas[t] = -Math.expm1(total((t - 1) / T) - total(t / T));
  return betas;
}

/** What a walk needs at every t: the schedule's numbers, and the law of x_t with edges in units of √(1 − ᾱ_t). */
export function planWalk(histogram, kind, T, fresh) {
  const schedule = scheduleOf(stretchedBetas(kind, T));
  const { beta, alphaBar, noiseShare } = schedule;
  const laws = new Array(T + 1);
  const law = (t) => {
    laws[t] = laws[t] || noisyBars(histogram, noiseShare[t], Math.sqrt(alphaBar[t]));
    return laws[t];
  };
  const sigma = new Float64Array(T + 1); // of the fresh noise that the step from t adds
  for (let t = 2; t <= T; t++) {
    sigma[t] = fresh === 'beta' ? Math.sqrt(beta[t]) : fresh === 'beta_tilde' ? Math.sqrt((beta[t] * noiseShare[t - 1]) / noiseShare[t]) : 0;
  }
  return { histogram, T, fresh, schedule, law, sigma };
}

const NEAR = 9; // how many σ an edge may be away and still count: Φ(−9) is 1e-19

/** The slope of the log-density of x_t at x. */
export function scoreAt(plan, t, x) {
  const law = plan.law(t);
  const { sigma, edges, density, first, last } = law;
  const inverse = 1 / sigma;
  const h = (edges[1] - edges[0]) * inverse;
  if (h < 0.2) return scoreOfNarrow(law, h, x);
  let k = first;
  while (k < last && (x - edges[k + 1]) * inverse > NEAR) k += 1;
  let z = (x - edges[k]) * inverse;
  let phi = Math.exp(-0.5 * z * z);
  let tail = phi * erfcx(Math.abs(z) * SQRT_HALF); // twice the mass beyond z, on its own side
  let below = 0; // sums over bars of density · difference of φ, and of twice Φ
  let mass = 0;
  for (; k <= last && z > -NEAR; k++) {
    const next = (x - edges[k + 1]) * inverse;
    const nextPhi = Math.exp(-0.5 * next * next);
    const nextTail = nextPhi * erfcx(Math.abs(next) * SQRT_HALF);
    if (density[k] > 0) {
      below += density[k] * (phi - nextPhi);
      mass += density[k] * (next >= 0 ? nextTail - tail : z <= 0 ? tail - nextTail : 2 - tail - nextTail);
    }
    z = next;
    phi = nextPhi;
    tail = nextTail;
  }
  // far from all bars the sums are small differences of smaller numbers: the slower way has their logarithms
  if (!(mass > 1e-8)) return scoreOf(law, x).score;
  return (2 * below * inverse) / (mass * SQRT_2PI);
}

/** The same where the bars are narrow beside σ: each by the series about its middle, in Hermite's polynomials. */
function scoreOfNarrow(law, h, x) {
  const { sigma, edges, density, first, last } = law;
  const q1 = (h * h) / 24;
  const q2 = (h * h * h * h) / 1920;
  const q3 = (h * h * h * h * h * h) / 322560;
  // exp(−c²/2) from bar to bar by two multiplications: c falls by h, and so does the exponent's slope
  let c = (x - edges[first]) / sigma - 0.5 * h;
  let g = Math.exp(-0.5 * c * c);
  let ratio = Math.exp(h * (c - 0.5 * h));
  const slower = Math.exp(-h * h);
  let below = 0;
  let mass = 0;
  for (let k = first; k <= last; k++) {
    const d = density[k] * g;
    const cc = c * c;
    mass += d * (1 + q1 * (cc - 1) + q2 * ((cc - 6) * cc + 3) + q3 * (((cc - 15) * cc + 45) * cc - 15));
    below += d * c * (1 + q1 * (cc - 3) + q2 * ((cc - 10) * cc + 15) + q3 * (((cc - 21) * cc + 105) * cc - 105));
    g *= ratio;
    ratio *= slower;
    c -= h;
  }
  if (!(mass > 1e-8)) return scoreOf(law, x).score;
  return -below / (mass * sigma);
}

/** ε*: the noise that the best model sees in x at t. */
function bestNoise(plan, t, x) {
  return -Math.sqrt(plan.schedule.noiseShare[t]) * scoreAt(plan, t, x);
}

/** One step from x_t to x_{t−1}: its parts, and where it ends for fresh noise z. */
export function stepBack(plan, t, x, z) {
  const { beta, alphaBar, noiseShare } = plan.schedule;
  const eps = bestNoise(plan, t, x);
  const guess = (x - Math.sqrt(noiseShare[t]) * eps) / Math.sqrt(alphaBar[t]);
  const mean =
    plan.fresh === 'none'
      ? Math.sqrt(alphaBar[t - 1]) * guess + Math.sqrt(noiseShare[t - 1]) * eps
      : (x - (beta[t] / Math.sqrt(noiseShare[t])) * eps) / Math.sqrt(1 - beta[t]);
  return { eps, guess, mean, sigma: plan.sigma[t], z, x: mean + plan.sigma[t] * z };
}

/** The noise of one particle: its x_T, then what the steps from T, T − 1, … add. */
export function noiseOf(plan, seed, particle) {
  const noise = new Float64Array(plan.T + 1);
  fillNormal(noise, randomIntegers(seed, particle));
  return noise;
}

/** The way of one particle, written into `out` from `offset`: x_0, x_1, … x_T. */
export function walkBack(plan, noise, out, offset = 0) {
  const { T, sigma, schedule } = plan;
  const { beta, alphaBar, noiseShare } = schedule;
  let x = noise[0];
  out[offset + T] = x;
  for (let t = T; t > 0; t--) {
    const score = scoreAt(plan, t, x);
    if (plan.fresh === 'none') {
      const guess = (x + noiseShare[t] * score) / Math.sqrt(alphaBar[t]);
      x = Math.sqrt(alphaBar[t - 1]) * guess - Math.sqrt(noiseShare[t - 1] * noiseShare[t]) * score;
    } else x = (x + beta[t] * score) / Math.sqrt(1 - beta[t]) + sigma[t] * noise[T - t + 1];
    out[offset + t - 1] = x;
  }
}

/** Half the sum of |share of the values − mass| over the bars, and over what lies beside them. */
export function binnedDistance(histogram, counts, total) {
  let inside = 0;
  let sum = 0;
  for (let k = 0; k < histogram.count; k++) {
    inside += counts[k];
    sum += Math.abs(counts[k] / total - histogram.mass[k]);
  }
  return 0.5 * (sum + (total - inside) / total);
}

/** What that distance is on average for so many true draws: half the mean absolute deviations of binomial counts. */
export function expectedDistance(histogram, total) {
  const { mass, count } = histogram;
  let sum = 0;
  for (let k = 0; k < count; k++) sum += binomialDeviation(total, mass[k]) / total;
  return 0.5 * sum;
}

/** About how far that distance strays from its average: the standard deviation, as if the bars' counts were independent. */
export function distanceSpread(histogram, total) {
  let sum = 0;
  for (const p of histogram.mass) sum += p * (1 - p);
  return 0.5 * Math.sqrt((sum * (1 - 2 / Math.PI)) / total);
}

/** E|X − np| for X binomial (n, p), by de Moivre: 2 m · C(n, m) · p^m · (1 − p)^{n − m + 1}, m the first whole number above np. */
export function binomialDeviation(n, p) {
  if (p <= 0 || p >= 1) return 0;
  const m = Math.floor(n * p) + 1;
  if (m > n) return 2 * n * p ** n * (1 - p);
  let log = Math.log(2 * m) + m * Math.log(p) + (n - m + 1) * Math.log1p(-p);
  log += logFactorial(n) - logFactorial(m) - logFactorial(n - m);
  return Math.exp(log);
}

function logFactorial(n) {
  if (n > 20) {
    const q = 1 / (n * n);
    return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + (1 / 12 - q * (1 / 360 - q / 1260)) / n;
  }
  let log = 0;
  for (let i = 2; i <= n; i++) log += Math.log(i);
  return log;
}
