// What a reader can set in the reverse widget, and how it stands in the page's address.  No DOM.

import { heightsFromText, heightsToText } from './starts.js';
import { parseNumber, readAddress, stops } from './state.js';

/** Typed values, the address and Python may go as far as this; the sliders cover what is seen most. */
export const REVERSE_LIMITS = { beta: [0, 1], x_t: [-50, 50], noise: [0, 0.99] };

const decade = (power) => [1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8].map((digit) => Number((digit * 10 ** power).toPrecision(3)));

/** From 1e-4 to 1, about evenly spaced on a log scale. */
export const STEP_BETAS = [...decade(-4), ...decade(-3), ...decade(-2), ...decade(-1), 0.9, 0.95, 0.99, 0.999, 1];
export const X_T_STOPS = stops([-4, 4, 0.05]);
export const NOISE_STOPS = [0, ...stops([0.001, 0.01, 0.001], [0.01, 0.1, 0.005], [0.1, 0.95, 0.01])];

/** Noise below this is none: its steps would be finer than the figure and the sums can tell. */
const LEAST_NOISE = 1e-4;

export function settledNoise(noise) {
  return noise < LEAST_NOISE ? 0 : noise;
}

/** The state in an address: numbers within limits, the rest ignored. */
export function reverseFrom(fragment, prefix = 'reverse') {
  const found = readAddress(fragment, prefix);
  const state = {};
  for (const [key, name] of [['beta', 'beta'], ['xt', 'x_t'], ['noise', 'noise']]) {
    const value = found.has(key) ? parseNumber(found.get(key), REVERSE_LIMITS[name]) : null;
    if (value !== null) state[name] = value;
  }
  const heights = found.has('x0') ? heightsFromText(found.get('x0')) : null;
  if (heights) state.histogram = heights;
  return state;
}

export function reverseEntries(state) {
  return [
    ['beta', String(state.beta)],
    ['xt', String(state.x_t)],
    ['noise', String(state.noise)],
    ['x0', heightsToText(state.histogram)],
  ];
}
