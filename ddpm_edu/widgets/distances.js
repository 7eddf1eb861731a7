// How far the law of x_t is from N(0, 1): total variation and the Kullback–Leibler divergence.  No DOM.

import { densityAt, distributionAt, isGaussian, smear } from './law.js';
import { SQRT_2PI, normalCdf, normalPdf } from './normal.js';

/**
 * How far the shape of x_t is from a Gaussian's, its width and place set aside: KL(x_t ‖ Gaussian of equal moments), in
 * nats.  Scaling does not change it, so it is the same for y.
 */
export function shapeDistance(histogram, m) {
  if (isGaussian(m)) return 0;
  const r = m.sigma === 0 ? 0 : m.sigma / m.s;
  const gaussian = 0.5 * Math.log(2 * Math.PI * Math.E * (histogram.variance + r * r));
  return Math.max(0, gaussian - smear(histogram, r).entropy);
}

/** KL(x_t ‖ N(0, 1)) with the shape's part left out where it is below about 1e-9: for a curve of many t. */
export function klRoughly(histogram, m) {
  return klToNormal(histogram, m, m.sigma > 100 * m.s);
}

/** KL(x_t ‖ N(0, 1)) in nats: the distance of the shape, and that of a Gaussian with the moments of x_t. */
export function klToNormal(histogram, m, shapeless = false) {
  if (m.logVariance === -Infinity) return Infinity; // every value is the same
  const off = m.variance - 1;
  const width = 0.5 * (Math.abs(off) < 0.5 ? off - Math.log1p(off) : off - m.logVariance);
  return (shapeless ? 0 : shapeDistance(histogram, m)) + Math.max(0, width) + 0.5 * m.mean * m.mean;
}

// The nodes on which N(0, 1) is resolved.
const NORMAL_NODES = (() => {
  const half = [];
  for (let i = 1; i <= 32; i++) half.push(i / 4);
  for (let i = 9; i <= 38; i++) half.push(i);
  return Float64Array.from([...half.map((x) => -x).reverse(), 0, ...half]);
})();

// Room for the nodes of a difference, used again by every call: 33 edges of 73 nodes and those of N(0, 1), and more.
const NODES = { x: new Float64Array(4096), f: new Float64Array(4096), count: 0 };
const NORMAL_AT_NODES = NORMAL_NODES.map(normalPdf);

// f = p − q in the order of x: on the nodes of p, and, where those are too few for q, on the nodes of q, at which p is
// found by straight lines or exactly.
function difference(histogram, m, exactly) {
  const { y, p } = smear(histogram, m.sigma === 0 ? 0 : m.sigma / m.s);
  const { s } = m;
  const { x, f } = NODES;
  const size = y.length;
  const first = s * y[0];
  const last = s * y[size - 1];
  const even = (last - first) / (size - 1);
  const resolved = even < 0.3 && s * (y[1] - y[0]) > 0.5 * even; // evenly spaced, and finely enough for q
  let n = 0;
  let j = 0;
  for (let i = 0; i <= size; i++) {
    const right = i < size ? s * y[i] : Infinity;
    for (; j < NORMAL_NODES.length && NORMAL_NODES[j] < right; j++) {
      const at = NORMAL_NODES[j];
      if (resolved && at > first && at < last) continue;
      let density = 0;
      if (i > 0 && i < size) {
        const left = s * y[i - 1];
        density = exactly ? densityAt(histogram, m, at) : (p[i - 1] + ((p[i] - p[i - 1]) * (at - left)) / (right - left)) / s;
      }
      x[n] = at;
      f[n++] = settle(density, NORMAL_AT_NODES[j]);
    }
    if (i === size) break;
    x[n] = right;
    f[n++] = settle(p[i] / s, Math.exp(-0.5 * right * right) / SQRT_2PI);
  }
  NODES.count = n;
  return NODES;
}

/** p − q, and zero where only rounding tells them apart. */
function settle(p, q) {
  return Math.abs(p - q) > 1e-13 * q ? p - q : 0;
}

/** The total variation distance to N(0, 1) to about one per cent of itself, fast: for a curve of many t. */
export function totalVariationRoughly(histogram, m) {
  if (m.variance < 1e-30) return 1;
  if (m.sigma > 100 * m.s) return gaussianTotalVariation(m.mean, Math.sqrt(m.variance));
  const { x, f, count } = difference(histogram, m, false);
  let sum = 0;
  for (let i = 1; i < count; i++) {
    const a = f[i - 1];
    const b = f[i];
    const step = x[i] - x[i - 1];
    sum += a * b >= 0 ? step * Math.abs(a + b) : (step * (a * a + b * b)) / Math.abs(b - a);
  }
  return Math.min(1, 0.25 * sum);
}

/** The total variation distance ½∫|p − q| between x_t and q = N(0, 1), to about 1e-12: |P − Q| between crossings. */
export function totalVariation(histogram, m) {
  if (m.variance < 1e-30) return 1; // all values in one point, as far as N(0, 1) is concerned
  if (isGaussian(m)) return gaussianTotalVariation(m.mean, Math.sqrt(m.variance));
  const r = m.sigma === 0 ? 0 : m.sigma / m.s;
  const { x, f, count } = difference(histogram, m, true);
  const gap = (at) => densityAt(histogram, m, at) - normalPdf(at);
  let total = 0;
  let before = 0; // P − Q at the crossing before this one
  let i = -1; // the last node where f is not zero
  for (let j = 0; j < count; j++) {
    if (f[j] === 0) continue;
    if (i >= 0 && f[i] > 0 !== f[j] > 0) {
      const at = x[i] === x[j] ? x[i] : crossing(gap, x[i], f[i], x[j], f[j]);
      const now = distributionAt(histogram, r, at / m.s) - normalCdf(at);
      total += Math.abs(now - before);
      before = now;
    }
    i = j;
  }
  return Math.min(1, 0.5 * (total + Math.abs(before)));
}

/** Where a function that changes sign between a and b is zero (regula falsi, Illinois variant). */
function crossing(f, a, fa, b, fb) {
  for (let n = 0; n < 40; n++) {
    const c = (a * fb - b * fa) / (fb - fa);
    if (!(c > a && c < b)) return fa * fa < fb * fb ? a : b;
    const fc = f(c);
    if (fc === 0 || b - a < 1e-14 * (Math.abs(a) + Math.abs(b))) return c;
    if (fc > 0 === fb > 0) {
      // the step is too small to matter: total variation is flat at a crossing
      if (Math.abs(b - c) < 1e-8 * Math.abs(b)) return c;
      b = c;
      fb = fc;
      fa *= 0.5;
    } else {
      if (Math.abs(c - a) < 1e-8 * Math.abs(a)) return c;
      a = c;
      fa = fc;
      fb *= 0.5;
    }
  }
  return 0.5 * (a + b);
}

/** Total variation between N(mean, sigma²) and N(0, 1), from the two points where their densities cross. */
export function gaussianTotalVariation(mean, sigma) {
  // q / p = 1:  x²/2 − (x − mean)² / 2σ² − log σ = 0, a quadratic a·x² + b·x + c
  const precision = 1 / (sigma * sigma);
  const a = 0.5 * (sigma - 1) * (sigma + 1) * precision;
  const b = mean * precision;
  const c = -0.5 * mean * mean * precision - Math.log(sigma);
  const apart = (x) => normalCdf((x - mean) / sigma) - normalCdf(x);
  if (a === 0) return b === 0 ? 0 : Math.abs(apart(-c / b));
  const root = Math.sqrt(Math.max(0, b * b - 4 * a * c));
  const q = -0.5 * (b + (b >= 0 ? root : -root));
  if (q === 0) return 0;
  return Math.min(1, Math.abs(apart(q / a) - apart(c / q)));
}
