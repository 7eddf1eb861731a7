// What a reader can set for the digits, and how it stands in the page's address.  No DOM.

import { parseNumber, readAddress, stops } from './state.js';

/** Typed values, the address and Python may go as far as this; step is the one that is looked at, and one too many means the last. */
export const DIGITS_LIMITS = { seed: [0, 2147483647], steps: [1, 1000], eta: [0, 1], count: [1, 16], digit: [1, 16], step: [0, 1000] };

export const DIGITS_STEP_STOPS = stops([5, 20, 1], [20, 50, 5], [50, 100, 10], [100, 500, 50], [500, 1000, 100]);

/** DDIM, and the ancestral sampler with either variance, which always takes all steps. */
export const DIGITS_SAMPLERS = ['ddim', 'beta', 'beta_tilde'];

const NUMBERS = [['seed', 'seed'], ['steps', 'steps'], ['eta', 'eta'], ['n', 'count'], ['digit', 'digit'], ['step', 'step']];

/** How many steps a walk takes with these settings, for a network with times 1…T. */
export function stepsOf({ sampler, steps }, T = 1000) {
  return sampler === 'ddim' ? Math.min(steps, T) : T;
}

/** The state in an address: numbers within limits, the rest ignored. */
export function digitsFrom(fragment, prefix = 'digits') {
  const found = readAddress(fragment, prefix);
  const state = {};
  for (const [key, name] of NUMBERS) {
    const value = found.has(key) ? parseNumber(found.get(key), DIGITS_LIMITS[name]) : null;
    if (value !== null) state[name] = name === 'eta' ? value : Math.round(value);
  }
  const sampler = (found.get('sampler') || '').replace('-', '_');
  if (DIGITS_SAMPLERS.includes(sampler)) state.sampler = sampler;
  if (['yes', 'no'].includes(found.get('clip'))) state.clip = found.get('clip') === 'yes';
  return state;
}

export function digitsEntries(state) {
  return [
    ...NUMBERS.map(([key, name]) => [key, String(state[name])]),
    ['sampler', state.sampler.replace('_', '-')],
    ['clip', state.clip ? 'yes' : 'no'],
  ];
}
