// From noise to an image, with a network that guesses the noise: ancestral sampling and DDIM.  No DOM.
//
// The worker gets the text of these functions, so they use nothing from outside but one another and the imports.

import { fillNormal, randomIntegers } from './random.js';

/** The times of `steps` steps from T, evenly spaced, without the 0 at the end; halves are rounded to even, as Python does. */
export function ddimTimes(T, steps) {
  const rounded = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
  return Array.from({ length: steps }, (_, k) => rounded((T * (steps - k)) / steps));
}

/** x̂_0, the image behind x if `eps` is the noise in it; held within [−1, 1] where `clip` says so. */
export function imageBehind(x, eps, t, schedule, clip) {
  const [signal, noise] = [Math.sqrt(schedule.alphaBar[t]), Math.sqrt(schedule.noiseShare[t])];
  const image = x.map((value, k) => (value - noise * eps[k]) / signal);
  return clip ? image.map((value) => Math.min(1, Math.max(-1, value))) : image;
}

/**
 * How the step from t to s mixes: x_s = image · x̂_0 + rest · x_t + sigma · z.
 *
 * ancestral, where s = t − 1: the mean of q(x_{t−1} | x_t, x_0), and σ² = β or β̃.
 * ddim: √ᾱ_s x̂_0 + √(1 − ᾱ_s − σ²) ε̂ + σ z, where ε̂ is the noise that leads from x̂_0 to x_t.
 */
export function mixture(t, s, schedule, { sampler, variance, eta }) {
  const { beta, alphaBar, noiseShare } = schedule;
  if (sampler === 'ancestral') {
    const sigmaSquared = variance === 'beta_tilde' ? (beta[t] * noiseShare[s]) / noiseShare[t] : beta[t];
    return {
      image: (Math.sqrt(alphaBar[s]) * beta[t]) / noiseShare[t],
      rest: (Math.sqrt(1 - beta[t]) * noiseShare[s]) / noiseShare[t],
      sigma: s > 0 ? Math.sqrt(sigmaSquared) : 0,
    };
  }
  const sigmaSquared = ((eta * eta * noiseShare[s]) / noiseShare[t]) * (1 - alphaBar[t] / alphaBar[s]);
  const rest = Math.sqrt(Math.max(0, noiseShare[s] - sigmaSquared) / noiseShare[t]);
  return { image: Math.sqrt(alphaBar[s]) - rest * Math.sqrt(alphaBar[t]), rest, sigma: Math.sqrt(sigmaSquared) };
}

/**
 * The walk of one image: yields { t, x_t, x_0 } at its start, where x_0 is null, and after each step.
 *
 * eps(x_t, t): the network.  size: numbers in an image.  seed and number: they alone decide the image's noise.
 * times: falling, from T; 0 is not among them.  x_T: where to start, instead of from the seed's noise.
 */
export function* denoise(eps, schedule, { seed, number, size, times, clip, x_T, ...how }) {
  const fresh = (stream) => {
    const random = randomIntegers(seed, 2 * number + stream);
    return () => {
      const noise = new Float32Array(size);
      fillNormal(noise, random);
      return noise;
    };
  };
  let x = x_T || fresh(0)();
  const noise = fresh(1);
  yield { t: times[0], x_t: x, x_0: null };
  for (const [k, t] of times.entries()) {
    const s = times[k + 1] || 0;
    const x_0 = imageBehind(x, eps(x, t), t, schedule, clip);
    const { image, rest, sigma } = mixture(t, s, schedule, how);
    const z = sigma > 0 ? noise() : null;
    x = x.map((value, i) => image * x_0[i] + rest * value + (z ? sigma * z[i] : 0));
    yield { t: s, x_t: x, x_0 };
  }
}
