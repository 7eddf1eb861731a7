// What a reader can set in the schedule explorer, and how it stands in the page's address.  No DOM.

import { parseNumber, readAddress } from './state.js';

/** Typed values, the address and Python may go as far as this; the sliders cover what is seen most. */
export const LIMITS = { T: [2, 4000], betas: [1e-6, 0.999], v_0: [0, 10], points: [2, 12] };

/** What a reader can compare a schedule with. */
export const KINDS = ['constant', 'linear', 'cosine', 'drawn'];

export const COMPARED = ['nothing', 'constant', 'linear', 'constant, same end'];

/** The schedule explorer's state in an address: numbers within limits, the rest ignored. */
export function scheduleFrom(fragment, prefix = 'schedule') {
  const found = readAddress(fragment, prefix);
  const state = {};
  const number = (key, name, limits, whole = false) => {
    const value = found.has(key) ? parseNumber(found.get(key), limits) : null;
    if (value !== null) state[name] = whole ? Math.round(value) : value;
  };
  if (KINDS.includes(found.get('kind'))) state.kind = found.get('kind');
  const compared = (found.get('compare') || '').replace(/-/g, ' ').replace('constant same', 'constant, same');
  if (COMPARED.includes(compared)) state.compare = compared;
  number('T', 'T', LIMITS.T, true);
  number('t', 't', [0, LIMITS.T[1]], true);
  number('beta', 'beta', LIMITS.betas);
  number('beta1', 'beta_1', LIMITS.betas);
  number('betaT', 'beta_T', LIMITS.betas);
  number('v0', 'v_0', LIMITS.v_0);
  if (found.has('points')) {
    const points = found.get('points').split('_').slice(0, 40).map((text) => parseNumber(text, LIMITS.betas));
    if (points.length >= LIMITS.points[0] && points.length <= LIMITS.points[1] && !points.includes(null)) state.points = points;
  }
  return state;
}

export function scheduleEntries(state) {
  const entries = [
    ['kind', state.kind],
    ['T', String(state.T)],
    ['t', String(state.t)],
    ['beta', String(state.beta)],
    ['beta1', String(state.beta_1)],
    ['betaT', String(state.beta_T)],
    ['v0', String(state.v_0)],
    ['compare', state.compare.replace(/,? /g, '-')],
  ];
  if (state.kind === 'drawn') entries.push(['points', state.points.map((b) => String(Number(b.toPrecision(4)))).join('_')]);
  return entries;
}
