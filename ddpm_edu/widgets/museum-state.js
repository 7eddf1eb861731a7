// What a reader can set in the museum, and how it stands in the page's address.  No DOM.

import { HOOKS } from './slips.js';
import { parseNumber, readAddress, stops } from './state.js';

/** Typed values, the address and Python may go as far as this. */
export const MUSEUM_LIMITS = { T: [40, 1000], t: [0, 1000], strength: [0, 5], seed: [0, 2147483647] };

export const MUSEUM_STOPS = stops([40, 100, 10], [100, 300, 20], [300, 500, 50], [500, 1000, 100]);

/** The state in an address: numbers within limits, the rest ignored. */
export function museumFrom(fragment, prefix = 'museum') {
  const found = readAddress(fragment, prefix);
  const state = {};
  const slip = found.get('slip');
  if (Object.prototype.hasOwnProperty.call(HOOKS, slip || '')) state.slip = slip;
  for (const name of ['T', 't', 'seed', 'strength']) {
    const value = found.has(name) ? parseNumber(found.get(name), MUSEUM_LIMITS[name]) : null;
    if (value !== null) state[name] = name === 'strength' ? value : Math.round(value);
  }
  return state;
}

export function museumEntries(state) {
  const entries = [
    ['slip', state.slip],
    ['T', String(state.T)],
    ['t', String(state.t)],
    ['seed', String(state.seed)],
  ];
  return state.strength === null ? entries : [...entries, ['strength', String(state.strength)]];
}

/** The strength as the slip can have it: a given one held within its limits, or the usual one; 0 where it has none. */
export function strengthIn(exhibit, given) {
  const { strength } = exhibit;
  if (!strength) return 0;
  if (given === null) return strength.usual;
  const held = Math.min(strength.high, Math.max(strength.low, given));
  return strength.whole ? Math.round(held) : held;
}
