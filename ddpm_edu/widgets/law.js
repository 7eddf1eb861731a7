// The law of x_t for a histogram moved by  x_t = √α · x_{t−1} + √β · ε,  ε ~ N(0, 1), with independent α and β:
//
//     x_t = s · x_0 + σ · ε,     s = α^{t/2},     σ² = β · (1 + α + … + α^{t−1}).
//
// x_t is a sum of uniform bars, each smeared by a Gaussian.  Everything below works in the coordinate y = x / s, where the
// bars never move and only the width r = σ / s of the smearing changes.  No DOM.

import { SQRT_2PI, normalCdf, normalCdfDifference, normalCdfIntegral, normalPdf } from './normal.js';

/** 1 + α + … + α^{t−1}, also where α is 1 or within rounding of it. */
export function geometricSum(alpha, t) {
  if (t === 0) return 0;
  if (alpha === 1) return t;
  if (alpha === 0) return 1;
  return Math.expm1(t * Math.log1p(alpha - 1)) / (alpha - 1);
}

/** α^t, with 0⁰ = 1. */
export function power(alpha, t) {
  if (t === 0) return 1;
  if (alpha === 0) return 0;
  return Math.exp(t * Math.log1p(alpha - 1));
}

/** log α^t, finite where α^t itself is too small for a float. */
function logPower(alpha, t) {
  if (t === 0) return 0;
  if (alpha === 0) return -Infinity;
  return t * Math.log1p(alpha - 1);
}

/** The limit β / (1 − α) of the variance; Infinity where it never settles; v_0 where nothing happens (α = 1, β = 0). */
export function varianceLimit(histogram, alpha, beta) {
  if (alpha < 1) return beta / (1 - alpha);
  return alpha === 1 && beta === 0 ? histogram.variance : Infinity;
}

/** The moments of x_t, split into what is left of x_0 and what the noise has added. */
export function momentsAt(histogram, alpha, beta, t) {
  const shrink = power(alpha, t);
  const s = Math.sqrt(shrink);
  const logS = 0.5 * logPower(alpha, t);
  const signal = shrink * histogram.variance;
  const noise = beta * geometricSum(alpha, t);
  const variance = signal + noise;
  const logVariance = noise > 0 ? Math.log(variance) : 2 * logS + Math.log(histogram.variance);
  return { t, s, logS, mean: s * histogram.mean, signal, noise, variance, logVariance, sigma: Math.sqrt(noise) };
}

/** Where the smearing is this many times wider than the unit of y, x_t is a Gaussian to the last digit. */
const GAUSSIAN_BEYOND = 3e4;

/** True where x_t is Gaussian as far as float64 can tell. */
export function isGaussian(m) {
  return m.sigma > 0 && m.sigma > GAUSSIAN_BEYOND * m.s;
}

/** The density of x_t at one x: a sum of differences of normal distribution functions over the bars. */
export function densityAt(histogram, m, x) {
  if (m.s === 0 && m.sigma === 0) return x === 0 ? Infinity : 0;
  if (isGaussian(m)) {
    const width = Math.sqrt(m.variance);
    return normalPdf((x - m.mean) / width) / width;
  }
  const { low, width, mass, count } = histogram;
  const y = x / m.s;
  if (m.sigma === 0) {
    const k = Math.min(count - 1, Math.floor((y - low) / width));
    return k >= 0 && y <= histogram.high ? mass[k] / width / m.s : 0;
  }
  const r = m.sigma / m.s;
  const h = width / r;
  let sum = 0;
  for (let k = 0; k < count; k++) {
    if (mass[k] === 0) continue;
    const z = (y - low - (k + 1) * width) / r;
    if (z > 38 || z + h < -38) continue;
    sum += mass[k] * normalCdfDifference(z, h);
  }
  return sum / width / m.s;
}

/** The distribution function of x_t at one y = x / s. */
export function distributionAt(histogram, r, y) {
  const { low, high, width, mass, count } = histogram;
  if (r === 0) {
    if (y <= low) return 0;
    if (y >= high) return 1;
    let below = 0;
    const at = (y - low) / width;
    const whole = Math.floor(at);
    for (let k = 0; k < whole; k++) below += mass[k];
    return below + (at - whole) * mass[Math.min(whole, count - 1)];
  }
  const h = width / r;
  let sum = 0;
  for (let k = 0; k < count; k++) {
    if (mass[k] === 0) continue;
    const z = (y - low - (k + 1) * width) / r;
    if (z > 9) sum += mass[k];
    else if (z + h < -38) continue;
    else if (h < 0.02) {
      // the mean of Φ over a narrow bar, by the series about its middle
      const c = z + 0.5 * h;
      const q = h * h;
      sum += mass[k] * (normalCdf(c) - normalPdf(c) * c * (q / 24 + ((q * q) / 1920) * (c * c - 3)));
    } else sum += (mass[k] * (normalCdfIntegral(z + h) - normalCdfIntegral(z))) / h;
  }
  return sum;
}

const TAIL = 9; // how many r the nodes reach beyond the bars: Φ(−9) is 1e-19

/**
 * The density of y = x / s on nodes that resolve it, with its entropy: a histogram smeared by N(0, r²).
 * The result depends on the histogram and r alone, so that it is kept with the histogram.
 * @returns {{ y: Float64Array, p: Float64Array, entropy: number }}  p is the density in y; entropy in nats
 */
export function smear(histogram, r) {
  const known = histogram.shapes.get(r);
  if (known) return known;
  const ratio = r / histogram.width;
  const shape = ratio < 1 / 12 ? smearNarrow(histogram, r) : ratio < 5 ? smearLattice(histogram, r) : smearWide(histogram, r);
  if (histogram.shapes.size > 400) histogram.shapes.clear();
  histogram.shapes.set(r, shape);
  return shape;
}

const NARROW = (() => {
  const z = [];
  const phi = [];
  for (let i = -36; i <= 36; i++) {
    z.push(i / 4);
    phi.push(normalCdf(i / 4));
  }
  return { z, phi };
})();

/** r far below a bar's width: flat bars with a smooth step at each edge; the steps do not meet. */
function smearNarrow(histogram, r) {
  const { low, width, mass, count } = histogram;
  const y = [];
  const p = [];
  let entropy = 0;
  const reach = r > 0 ? 9 * r : 0;
  for (let j = 0; j <= count; j++) {
    const left = j > 0 ? mass[j - 1] / width : 0;
    const right = j < count ? mass[j] / width : 0;
    const edge = low + j * width;
    if (r === 0) {
      y.push(edge, edge);
      p.push(left, right);
    } else {
      let area = 0;
      for (let i = 0; i < NARROW.z.length; i++) {
        const value = left * NARROW.phi[72 - i] + right * NARROW.phi[i];
        y.push(edge + r * NARROW.z[i]);
        p.push(value);
        if (value > 0) area += value * Math.log(value);
      }
      const ends = (left > 0 ? left * Math.log(left) : 0) + (right > 0 ? right * Math.log(right) : 0);
      entropy -= (area - 0.5 * ends) * r * 0.25;
    }
    if (right > 0) entropy -= (width - (j < count ? 2 * reach : 0)) * right * Math.log(right);
  }
  return { y: Float64Array.from(y), p: Float64Array.from(p), entropy };
}

/** r from a twelfth of a bar to five bars: nodes on a lattice that the edges lie on, so one table serves every bar. */
function smearLattice(histogram, r) {
  const { low, high, width, mass, count } = histogram;
  const perBar = Math.max(1, Math.ceil((4 * width) / r));
  const h = width / perBar;
  const beyond = Math.ceil((TAIL * r) / h);
  const size = count * perBar + 2 * beyond + 1;
  const y0 = low - beyond * h;
  // bar[i]: the mass that a unit bar on [0, width] puts per unit of y at (i − beyond) · h; even about its middle
  const barSize = 2 * beyond + perBar + 1;
  const bar = new Float64Array(barSize);
  for (let i = 0; i <= (barSize - 1) / 2; i++) {
    const value = normalCdfDifference(((i - beyond) * h - width) / r, width / r) / width;
    bar[i] = value;
    bar[barSize - 1 - i] = value;
  }
  const y = new Float64Array(size);
  const p = new Float64Array(size);
  for (let k = 0; k < count; k++) {
    if (mass[k] === 0) continue;
    const m = mass[k];
    const start = k * perBar;
    for (let i = 0; i < barSize; i++) p[start + i] += m * bar[i];
  }
  let area = 0;
  for (let i = 0; i < size; i++) {
    y[i] = i === beyond ? low : i === size - 1 - beyond ? high : y0 + i * h;
    if (p[i] > 0) area += p[i] * Math.log(p[i]);
  }
  return { y, p, entropy: -area * h };
}

/** r above five bars: each bar by the series about its middle; nodes a quarter of r apart. */
function smearWide(histogram, r) {
  const { low, high, width, mass, count } = histogram;
  const half = 0.5 * (high - low) + TAIL * r;
  const size = 2 * Math.ceil(half / (0.25 * r)) + 1;
  const h = (2 * half) / (size - 1);
  const y0 = 0.5 * (low + high) - half;
  const y = new Float64Array(size);
  const p = new Float64Array(size);
  const bar = width / r;
  const q = 0.25 * bar * bar;
  const q1 = q / 6;
  const q2 = (q * q) / 120;
  const q3 = (q * q * q) / 5040;
  const slower = Math.exp(-bar * bar);
  const scale = 1 / (r * SQRT_2PI);
  let area = 0;
  for (let i = 0; i < size; i++) {
    y[i] = y0 + i * h;
    // exp(−z²/2) from bar to bar by two multiplications: z falls by `bar`, and so does the exponent's slope
    let z = (y[i] - low) / r - 0.5 * bar;
    let g = Math.exp(-0.5 * z * z);
    let ratio = Math.exp(bar * (z - 0.5 * bar));
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const c = z * z;
      sum += mass[k] * g * (1 + q1 * (c - 1) + q2 * ((c - 6) * c + 3) + q3 * (((c - 15) * c + 45) * c - 15));
      g *= ratio;
      ratio *= slower;
      z -= bar;
    }
    p[i] = sum * scale;
    if (p[i] > 0) area += p[i] * Math.log(p[i]);
  }
  return { y, p, entropy: -area * h };
}
