// What a reader can set in the posterior widget, and how it stands in the page's address.  No DOM.

import { POSTERIOR_KINDS } from './product.js';
import { parseNumber, readAddress, stops } from './state.js';

/** Typed values, the address and Python may go as far as this; the sliders cover what is seen most. */
export const POSTERIOR_LIMITS = { x_0: [-20, 20], x_t: [-20, 20], t: [1, 1000], T: [1, 1000] };

export const START_STOPS = stops([-3, 3, 0.05]);
export const NOW_STOPS = stops([-4, 4, 0.05]);
export const LENGTHS = stops([2, 10, 1], [10, 20, 2], [20, 100, 10], [100, 1000, 50]);

/** The state in an address: numbers within limits, the rest ignored. */
export function posteriorFrom(fragment, prefix = 'posterior') {
  const found = readAddress(fragment, prefix);
  const state = {};
  for (const [key, name] of [['x0', 'x_0'], ['xt', 'x_t'], ['t', 't'], ['T', 'T']]) {
    const value = found.has(key) ? parseNumber(found.get(key), POSTERIOR_LIMITS[name]) : null;
    if (value !== null) state[name] = /^[tT]$/.test(name) ? Math.round(value) : value;
  }
  if (POSTERIOR_KINDS.includes(found.get('kind'))) state.kind = found.get('kind');
  return state;
}

export function posteriorEntries(state) {
  return [
    ['x0', String(state.x_0)],
    ['xt', String(state.x_t)],
    ['t', String(state.t)],
    ['T', String(state.T)],
    ['kind', state.kind],
  ];
}
