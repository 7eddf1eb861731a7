// What a reader can set in the sampler, and how it stands in the page's address.  No DOM.

import { heightsFromText, heightsToText } from './starts.js';
import { parseNumber, readAddress, stops } from './state.js';

/** Typed values, the address and Python may go as far as this; the sliders cover what is seen most. */
export const SAMPLER_LIMITS = { T: [1, 1000], t: [0, 1000], particles: [10, 4000], seed: [0, 2147483647] };

export const STEP_STOPS = [...stops([1, 10, 1], [10, 30, 2], [30, 100, 5], [100, 300, 20]), 350, 400, 500, 600, 700, 800, 900, 1000];
export const PARTICLE_STOPS = stops([100, 1000, 50], [1000, 2000, 100]);

/** The schedules, and the noise that a step back adds. */
export const SAMPLER_KINDS = ['linear', 'cosine'];
export const FRESH = ['beta', 'beta_tilde', 'none'];

/** The state in an address: numbers within limits, the rest ignored. */
export function samplerFrom(fragment, prefix = 'sampler') {
  const found = readAddress(fragment, prefix);
  const state = {};
  for (const [key, name] of [['T', 'T'], ['t', 't'], ['n', 'particles'], ['seed', 'seed']]) {
    const value = found.has(key) ? parseNumber(found.get(key), SAMPLER_LIMITS[name]) : null;
    if (value !== null) state[name] = Math.round(value);
  }
  if (SAMPLER_KINDS.includes(found.get('kind'))) state.kind = found.get('kind');
  const fresh = (found.get('noise') || '').replace('-', '_');
  if (FRESH.includes(fresh)) state.noise = fresh;
  const heights = found.has('x0') ? heightsFromText(found.get('x0')) : null;
  if (heights) state.histogram = heights;
  return state;
}

export function samplerEntries(state) {
  return [
    ['T', String(state.T)],
    ['t', String(state.t)],
    ['n', String(state.particles)],
    ['seed', String(state.seed)],
    ['kind', state.kind],
    ['noise', state.noise.replace('_', '-')],
    ['x0', heightsToText(state.histogram)],
  ];
}
