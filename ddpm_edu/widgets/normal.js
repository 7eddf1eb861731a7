// The normal law N(0, 1): its density and its distribution function, right to the last digits.  No DOM.

export const SQRT_2PI = Math.sqrt(2 * Math.PI);
export const SQRT_HALF = Math.sqrt(0.5);

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
export function normalCdfIntegral(z) {
  return z * normalCdf(z) + normalPdf(z);
}
