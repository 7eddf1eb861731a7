// The quiz on slips: which symptoms come in which order, with which answers to choose from; and its address.  No DOM.

import { randomIntegers } from './random.js';
import { parseNumber, readAddress } from './state.js';

export const QUIZ_LIMITS = { question: [1, 13], seed: [0, 2147483647] };

/** The steps of every symptom: one number for all, or it would give some away; with few steps most slips show well. */
export const QUIZ_T = 50;

/** How many answers stand below a symptom. */
export const ANSWERS = 4;

/** Which other slips look most like each: one of them at least is among the answers. */
const ALIKE = {
  'no-root': ['beta-for-noise', 'no-noise'],
  'no-noise': ['no-root', 'beta-for-noise'],
  'last-noise': ['time-early', 'rootless-forward'],
  'uniform-noise': ['unit-interval', 'no-root'],
  'time-early': ['last-noise', 'rootless-forward'],
  'abar-index': ['scaled-target', 'never-visited'],
  'beta-for-noise': ['no-root', 'unused-clip'],
  'unused-clip': ['kept-range', 'beta-for-noise'],
  'kept-range': ['unused-clip', 'last-noise'],
  'never-visited': ['scaled-target', 'abar-index'],
  'unit-interval': ['uniform-noise', 'rootless-forward'],
  'scaled-target': ['abar-index', 'never-visited'],
  'rootless-forward': ['time-early', 'last-noise'],
};

function shuffled(list, random) {
  const out = list.slice();
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor((random() / 4294967296) * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** The questions of a seed: each slip once, the slips to choose from, and the seed of the particles' noise. */
export function questionsOf(seed) {
  const random = randomIntegers(seed, -3);
  return shuffled(Object.keys(ALIKE), random).map((slip, i) => {
    const near = shuffled(ALIKE[slip], random)[0];
    const others = shuffled(Object.keys(ALIKE).filter((name) => name !== slip && name !== near), random).slice(0, ANSWERS - 2);
    return { slip, answers: shuffled([slip, near, ...others], random), noise: (Math.imul(seed, 64) + i + 1) & 0x7fffffff };
  });
}

/** The state in an address: numbers within limits, the rest ignored. */
export function quizFrom(fragment, prefix = 'quiz') {
  const found = readAddress(fragment, prefix);
  const state = {};
  for (const name of ['question', 'seed']) {
    const value = found.has(name) ? parseNumber(found.get(name), QUIZ_LIMITS[name]) : null;
    if (value !== null) state[name] = Math.round(value);
  }
  return state;
}

export function quizEntries(state) {
  return [
    ['question', String(state.question)],
    ['seed', String(state.seed)],
  ];
}
