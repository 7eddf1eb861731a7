// Noise schedules: β_1 … β_T, and what follows from them.  No DOM.

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
