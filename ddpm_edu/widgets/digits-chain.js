// A walk from noise to digits, kept as grey values, and what can be read from it.  No DOM.

import { denoise, mixture } from './denoising.js';

export const PIXELS = 784; // 28 × 28

/** A pixel as the book draws it: −1 is black, 1 white, what lies beyond is drawn as that. */
export function greyOf(value) {
  return Math.round(127.5 * (Math.min(1, Math.max(-1, value)) + 1));
}

/**
 * Keeps what a walk of `of` steps shows.  States are counted from 0, the pure noise, to `of`, the finished digits;
 * guess k is the x̂_0 that the network sees in state k, and at the end the digit itself.
 */
export function makeChain(count, of) {
  const chain = {
    count,
    of,
    times: [],
    states: [],
    guesses: [],
    beyond: [], // share of guess k's values outside [−1, 1] by more than 0.05
    furthest: [], // largest absolute value of guess k
    /** The last k whose state and guess are both known, or −1. */
    get known() {
      return chain.guesses.length - 1;
    },
    get complete() {
      return chain.states.length === of + 1;
    },
    add: (k, t, x_t, x_0) => {
      chain.times[k] = t;
      chain.states[k] = Uint8Array.from(x_t, greyOf);
      if (k === 0) return;
      let outside = 0;
      let furthest = 0;
      for (const value of x_0) {
        const size = Math.abs(value);
        if (size > 1.05) outside += 1;
        if (size > furthest) furthest = size;
      }
      chain.beyond[k - 1] = outside / x_0.length;
      chain.furthest[k - 1] = furthest;
      chain.guesses[k - 1] = Uint8Array.from(x_0, greyOf);
      if (k === of) chain.guesses[k] = chain.states[k];
    },
  };
  return chain;
}

/** One image of all that stand in a row. */
export function imageOf(values, i) {
  return values.subarray(i * PIXELS, (i + 1) * PIXELS);
}

/** The root mean square difference of two images of grey values, in the pixels' unit from −1 to 1. */
export function rmsBetween(one, other) {
  let sum = 0;
  for (let p = 0; p < one.length; p++) sum += (one[p] - other[p]) ** 2;
  return Math.sqrt(sum / one.length) / 127.5;
}

/** How far each guess of image i is from the digit at the end: one number for each state, 0 at the last. */
export function distancesToEnd(chain, i) {
  const end = imageOf(chain.states[chain.of], i);
  return chain.guesses.map((guess) => rmsBetween(imageOf(guess, i), end));
}

/** The first state from which on the guess stays within `share` of the distance that it had at the start. */
export function settledAt(distances, share = 0.25) {
  const limit = share * distances[0];
  let k = distances.length - 1;
  while (k > 0 && distances[k - 1] <= limit) k -= 1;
  return k;
}

/** Grey pictures of the noise that the walks of a seed begin with, `count` of them from number `first` on, in a row. */
export function startingNoise(seed, first, count) {
  const pictures = new Uint8Array(count * PIXELS);
  for (let i = 0; i < count; i++) {
    const { value } = denoise(null, null, { seed, number: first + i, size: PIXELS, times: [1] }).next();
    pictures.set(Uint8Array.from(value.x_t, greyOf), i * PIXELS);
  }
  return pictures;
}

/**
 * The shares in a step from t to s < t, written with the noise: x_s = signal·x̂_0 + guess·ε̂ + fresh·z, for every sampler here.
 * @param {object} schedule  as `scheduleOf` gives it
 * @param {{sampler: string, eta: number}} settings  of the widget
 */
export function sharesOfStep(schedule, { sampler, eta }, t, s) {
  const how = sampler === 'ddim' ? { sampler, eta } : { sampler: 'ancestral', variance: sampler };
  const { image, rest, sigma } = mixture(t, s, schedule, how);
  // the step is made with x_t = √ᾱ_t x̂_0 + √(1 − ᾱ_t) ε̂ in the place of the noise
  return { signal: image + rest * Math.sqrt(schedule.alphaBar[t]), guess: rest * Math.sqrt(schedule.noiseShare[t]), fresh: sigma };
}
