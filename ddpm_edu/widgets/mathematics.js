// All the mathematics of the widgets: float64, no DOM, no global state.
//
// The laboratory moves a value by  x_t = √α · x_{t−1} + √β · ε,  ε ~ N(0, 1), so that
//
//     x_t = s · x_0 + σ · ε,     s = α^{t/2},     σ² = β · (1 + α + … + α^{t−1}).
//
// When x_0 has a histogram for its density, x_t is a sum of uniform bars, each smeared by a Gaussian.  Everything below
// works in the coordinate y = x / s, where the bars never move and only the width r = σ / s of the smearing changes.

export const SQRT_2PI = Math.sqrt(2 * Math.PI);
const SQRT_HALF = Math.sqrt(0.5);
const SQRT_PI = Math.sqrt(Math.PI);

// ---------------------------------------------------------------------------------------------- the normal law

// Chebyshev coefficients of (x + ½) · exp(x²) · erfc(x) in u = (x − 3.75) / (x + 3.75), computed for this file at
// 50 digits.  The first one is halved when it is used.
const ERFCX = [
  1.1775789345674017, -0.002295027290323239, -0.04212456668325896, 0.029604969999095947, -0.013329334217652877,
  0.004537498835352633, -0.001206581770208804, 0.0002453879182629043, -3.458486651250603e-5, 2.069513993036508e-6,
  3.8701915330992685e-7, -1.0943200524617016e-7, 5.382499732836756e-9, 2.2609799056099014e-9, -3.8772001044136106e-10,
  -3.159044170478055e-11, 1.434397505375714e-11, 9.727934129476047e-14, -4.827348393760951e-13, 1.6262738289884134e-14,
  1.6739056823948513e-14, -9.322847889233015e-16, -6.254012659212574e-16, 3.7087091442896954e-17, 2.5336363566518713e-17,
];

/** exp(x²) · erfc(x) for x ≥ 0: what is left of erfc when its steep factor is taken out. */
export function erfcx(x) {
  const twice = (2 * (x - 3.75)) / (x + 3.75);
  let b1 = 0;
  let b2 = 0;
  for (let n = ERFCX.length - 1; n > 0; n--) {
    const b0 = twice * b1 - b2 + ERFCX[n];
    b2 = b1;
    b1 = b0;
  }
  return (0.5 * twice * b1 - b2 + 0.5 * ERFCX[0]) / (x + 0.5);
}

/** exp(−x²) with the rounding of x² put back: its relative error stays near 1e-16 in the far tail too. */
function expMinusSquare(x) {
  const high = Math.fround(x);
  return Math.exp(-high * high) * Math.exp(-(x - high) * (x + high));
}

/** The complementary error function, to about 1e-15 of its value. */
export function erfc(x) {
  if (x < 0) return 2 - erfc(-x);
  if (x > 27.3) return 0;
  return expMinusSquare(x) * erfcx(x);
}

/** The density of N(0, 1). */
export function normalPdf(x) {
  if (!(x > -40 && x < 40)) return 0;
  return expMinusSquare(x * SQRT_HALF) / SQRT_2PI;
}

/** Φ(x), the distribution function of N(0, 1). */
export function normalCdf(x) {
  return 0.5 * erfc(-x * SQRT_HALF);
}

/** Φ(z + h) − Φ(z) for h ≥ 0 without cancellation: in either tail, and for intervals as narrow as you like. */
export function normalCdfDifference(z, h) {
  const middle = z + 0.5 * h;
  if (h * Math.max(1, Math.abs(middle)) < 0.2) {
    // Taylor about the middle: φ(c) · h · Σ (h/2)^{2n} He_{2n}(c) / (2n+1)!
    const q = 0.25 * h * h;
    const c = middle * middle;
    const series =
      1 +
      (q / 6) * (c - 1) +
      ((q * q) / 120) * ((c - 6) * c + 3) +
      ((q * q * q) / 5040) * (((c - 15) * c + 45) * c - 15) +
      ((q * q * q * q) / 362880) * ((((c - 28) * c + 210) * c - 420) * c + 105);
    return normalPdf(middle) * h * series;
  }
  if (z >= 0) return 0.5 * (erfc(z * SQRT_HALF) - erfc((z + h) * SQRT_HALF));
  if (z + h <= 0) return 0.5 * (erfc(-(z + h) * SQRT_HALF) - erfc(-z * SQRT_HALF));
  return 1 - 0.5 * (erfc(-z * SQRT_HALF) + erfc((z + h) * SQRT_HALF));
}

/** ∫_{−∞}^{z} Φ, the antiderivative that turns a smeared bar's density into its distribution function. */
function normalCdfIntegral(z) {
  return z * normalCdf(z) + normalPdf(z);
}

// ------------------------------------------------------------------------------------------- the starting histogram

/**
 * A histogram on [low, high] with bars of equal width, scaled so that its area is 1.
 * @param {ArrayLike<number>} heights  finite, none negative, not all zero, in any unit
 */
export function makeHistogram(heights, low = -3, high = 3) {
  const count = heights.length;
  const width = (high - low) / count;
  let sum = 0;
  for (let k = 0; k < count; k++) sum += heights[k];
  const mass = new Float64Array(count);
  let mean = 0;
  for (let k = 0; k < count; k++) {
    mass[k] = heights[k] / sum;
    mean += mass[k] * (low + (k + 0.5) * width);
  }
  let variance = (width * width) / 12;
  for (let k = 0; k < count; k++) variance += mass[k] * (low + (k + 0.5) * width - mean) ** 2;
  return { low, high, count, width, mass, mean, variance, shapes: new Map() };
}

/** The value below which a share u of the histogram's area lies. */
export function histogramQuantile(histogram, u) {
  const { low, width, mass, count } = histogram;
  let below = 0;
  for (let k = 0; k < count; k++) {
    if (mass[k] > 0 && (below + mass[k] >= u || k === count - 1)) {
      return low + width * (k + Math.min(1, Math.max(0, (u - below) / mass[k])));
    }
    below += mass[k];
  }
  let last = count - 1;
  while (mass[last] === 0) last--;
  return low + width * (last + 1);
}

// -------------------------------------------------------------------------------------------------- the moving law

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
function isGaussian(m) {
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
function distributionAt(histogram, r, y) {
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

// ---------------------------------------------------------------------------------------- the shape, once for each r

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

// ----------------------------------------------------------------------------------------------- seeded particles

/** A generator of uniform 32-bit integers (xoshiro128**), started by a mixed seed and a stream number. */
export function randomIntegers(seed, stream) {
  let mix = (Math.imul(seed | 0, 0x9e3779b1) ^ Math.imul((stream | 0) + 0x7f4a7c15, 0x85ebca6b)) | 0;
  const next = () => {
    mix = (mix + 0x9e3779b9) | 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return z ^ (z >>> 15);
  };
  let a = next();
  let b = next();
  let c = next();
  let d = next() | 1;
  return () => {
    const scrambled = Math.imul(b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result >>> 0;
  };
}

/** Fills an array with independent standard normal values (Box–Muller). */
export function fillNormal(target, random) {
  for (let i = 0; i < target.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log((random() + 0.5) / 4294967296));
    const angle = ((random() + 0.5) / 4294967296) * 2 * Math.PI;
    target[i] = radius * Math.cos(angle);
    if (i + 1 < target.length) target[i + 1] = radius * Math.sin(angle);
  }
}

export const BLOCK = 25; // steps of noise drawn, and of positions kept, at a time

/**
 * Particles moved by the kernel itself, step by step.  The noise of each step depends on the seed and the step alone, so a
 * particle keeps its path: going back to an earlier t finds the same values, and a changed α bends the same paths.
 */
export class Particles {
  constructor(seed, count = 2000) {
    this.seed = seed;
    this.count = count;
    this.noise = []; // one Float32Array of BLOCK · count values a block
    this.shares = new Float64Array(count); // each particle's place in the starting histogram, as a share of its area
    const random = randomIntegers(seed, -1);
    for (let i = 0; i < count; i++) this.shares[i] = (random() + 0.5) / 4294967296;
    this.kept = []; // positions at t = 0, BLOCK, 2·BLOCK, …
    this.histogram = null;
    this.alpha = NaN;
    this.beta = NaN;
    this.x = new Float64Array(count);
  }

  noiseOf(block) {
    if (!this.noise[block]) {
      const values = new Float32Array(BLOCK * this.count);
      fillNormal(values, randomIntegers(this.seed, block));
      this.noise[block] = values;
    }
    return this.noise[block];
  }

  /** The positions at t; the array is used again by the next call. */
  at(histogram, alpha, beta, t) {
    if (histogram !== this.histogram) {
      this.histogram = histogram;
      this.kept = [Float64Array.from(this.shares, (u) => histogramQuantile(histogram, u))];
    } else if (alpha !== this.alpha || beta !== this.beta) {
      this.kept.length = 1;
    }
    this.alpha = alpha;
    this.beta = beta;
    const { count, x } = this;
    const a = Math.sqrt(alpha);
    const b = Math.sqrt(beta);
    const blocks = Math.floor(t / BLOCK);
    let block = Math.min(blocks, this.kept.length - 1);
    x.set(this.kept[block]);
    for (let step = block * BLOCK; step < t; ) {
      const noise = this.noiseOf(block);
      const steps = Math.min(BLOCK, t - step);
      let k = 0;
      for (; k + 5 <= steps; k += 5) {
        // five steps in one pass over the particles: four passes fewer through memory
        const n = k * count;
        for (let i = 0; i < count; i++) {
          let v = a * x[i] + b * noise[n + i];
          v = a * v + b * noise[n + count + i];
          v = a * v + b * noise[n + 2 * count + i];
          v = a * v + b * noise[n + 3 * count + i];
          x[i] = a * v + b * noise[n + 4 * count + i];
        }
      }
      for (; k < steps; k++) {
        for (let i = 0; i < count; i++) x[i] = a * x[i] + b * noise[k * count + i];
      }
      step += steps;
      if (steps === BLOCK) {
        block += 1;
        if (block === this.kept.length) this.kept.push(x.slice());
      }
    }
    return x;
  }
}

/** How many of the values fall into each of `bins` equal bins on [low, high]; values beyond are left out. */
export function countInto(counts, values, low, high) {
  counts.fill(0);
  const scale = counts.length / (high - low);
  for (let i = 0; i < values.length; i++) {
    const bin = Math.floor((values[i] - low) * scale);
    if (bin >= 0 && bin < counts.length) counts[bin] += 1;
  }
  return counts;
}

// ------------------------------------------------------------------------------------------------------- schedules

/** β_t of a constant schedule; index 0 is the clean data, β_0 = 0. */
export function constantBetas(T, beta) {
  const betas = new Float64Array(T + 1).fill(beta);
  betas[0] = 0;
  return betas;
}

/** β_t in a straight line from β_1 to β_T. */
export function linearBetas(T, beta1 = 1e-4, betaT = 0.02) {
  const betas = new Float64Array(T + 1);
  for (let t = 1; t <= T; t++) betas[t] = T === 1 ? beta1 : beta1 + ((t - 1) / (T - 1)) * (betaT - beta1);
  return betas;
}

/** β_t of the cosine schedule: ᾱ_t follows cos², each β_t is kept at or below betaMax. */
export function cosineBetas(T, s = 0.008, betaMax = 0.999) {
  const f = (t) => Math.cos(((t / T + s) / (1 + s)) * (Math.PI / 2)) ** 2;
  const betas = new Float64Array(T + 1);
  for (let t = 1; t <= T; t++) betas[t] = Math.min(1 - f(t) / f(t - 1), betaMax);
  return betas;
}

/** β_t through control points (share of the way, β), joined by straight lines in log β. */
export function drawnBetas(T, points) {
  const betas = new Float64Array(T + 1);
  let k = 0;
  for (let t = 1; t <= T; t++) {
    const u = T === 1 ? 0 : (t - 1) / (T - 1);
    while (k < points.length - 2 && points[k + 1][0] < u) k += 1;
    const [u0, b0] = points[k];
    const [u1, b1] = points[k + 1];
    const share = Math.min(1, Math.max(0, (u - u0) / (u1 - u0)));
    betas[t] = Math.exp((1 - share) * Math.log(b0) + share * Math.log(b1));
  }
  return betas;
}

/** What follows from β_1 … β_T: α, ᾱ, 1 − ᾱ (without cancellation), log-SNR and the rms step for unit variance. */
export function scheduleOf(betas) {
  const size = betas.length;
  const alphaBar = new Float64Array(size);
  const noiseShare = new Float64Array(size); // 1 − ᾱ_t
  const logSnr = new Float64Array(size);
  const rmsStep = new Float64Array(size);
  let logAlphaBar = 0;
  for (let t = 0; t < size; t++) {
    logAlphaBar += Math.log1p(-betas[t]);
    alphaBar[t] = Math.exp(logAlphaBar);
    noiseShare[t] = -Math.expm1(logAlphaBar);
    logSnr[t] = logAlphaBar - Math.log(noiseShare[t]);
    // E(x_t − x_{t−1})² = (1 − √α)² + β = 2 (1 − √α), and 1 − √α = β / (1 + √α)
    rmsStep[t] = Math.sqrt((2 * betas[t]) / (1 + Math.sqrt(1 - betas[t])));
  }
  return { T: size - 1, beta: betas, alphaBar, noiseShare, logSnr, rmsStep };
}

/** The variance 1 + ᾱ_t (v_0 − 1) of the one-dimensional x_t along a schedule. */
export function varianceAlong(schedule, v0) {
  return Float64Array.from(schedule.alphaBar, (abar, t) => schedule.noiseShare[t] + abar * v0);
}

/** The first t from which the variance stays within `share` of its limit 1, or null if it never does. */
export function settledFrom(variances, share = 0.01) {
  let t = variances.length;
  while (t > 0 && Math.abs(variances[t - 1] - 1) <= share) t -= 1;
  return t < variances.length ? t : null;
}

/** The constant β whose ᾱ_T is the same as that of a schedule. */
export function equalConstant(schedule) {
  let sum = 0;
  for (let t = 1; t <= schedule.T; t++) sum += Math.log1p(-schedule.beta[t]);
  return -Math.expm1(sum / schedule.T);
}
