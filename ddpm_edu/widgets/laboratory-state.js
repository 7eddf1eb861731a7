// What a reader can set in the laboratory, and how it stands in the page's address.  No DOM.

import { BARS, heightsFromText, heightsToText } from './starts.js';
import { oneMinus, parseNumber, readAddress, stops } from './state.js';

/** Typed values, the address and Python may go as far as this; the sliders cover what is seen most. */
export const LIMITS = { alpha: [0, 2], beta: [0, 25], t: [0, 1000], bars: BARS };

/** The slider's own values: one arrow key, one readable step, fine where the behaviour turns. */
export const ALPHA_STOPS = stops([0, 0.9, 0.01], [0.9, 0.99, 0.002], [0.99, 0.999, 0.0002], [0.999, 1.001, 0.0001], [1.001, 1.01, 0.0005], [1.01, 1.1, 0.005]);

export const BETA_STOPS = stops([0, 0.001, 0.0001], [0.001, 0.01, 0.0005], [0.01, 0.1, 0.002], [0.1, 1, 0.01], [1, 1.5, 0.02]);

/** The laboratory's state in an address: numbers within limits, the rest ignored. */
export function laboratoryFrom(fragment, prefix = 'lab') {
  const found = readAddress(fragment, prefix);
  const state = {};
  const number = (key, name, limits) => {
    if (!found.has(key)) return;
    const value = parseNumber(found.get(key), limits);
    if (value !== null) state[name] = value;
  };
  number('alpha', 'alpha', LIMITS.alpha);
  number('beta', 'beta', LIMITS.beta);
  number('t', 't', LIMITS.t);
  if ('t' in state) state.t = Math.round(state.t);
  const heights = found.has('x0') ? heightsFromText(found.get('x0')) : null;
  if (heights) state.histogram = heights;
  for (const [key, name] of [['coupled', 'coupled'], ['joined', 'joined']]) {
    if (found.get(key) === '1') state[name] = true;
    if (found.get(key) === '0') state[name] = false;
  }
  if (state.coupled) {
    const alpha = state.alpha ?? ('beta' in state ? oneMinus(state.beta) : null);
    if (alpha === null || alpha < 0 || alpha > 1) delete state.coupled;
    else {
      state.alpha = alpha;
      state.beta = oneMinus(alpha);
    }
  }
  return state;
}

export function laboratoryEntries(state) {
  return [
    ['alpha', String(state.alpha)],
    ['beta', String(state.beta)],
    ['t', String(state.t)],
    ['x0', heightsToText(state.histogram)],
    ['coupled', state.coupled ? '1' : '0'],
    ['joined', state.joined ? '1' : '0'],
  ];
}
