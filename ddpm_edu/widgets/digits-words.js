// What the digits show, said in words that are right for every setting.  No DOM.

import { stepsOf } from './digits-state.js';
import { say, sayCount, sayExactly } from './words.js';

/** A number of bytes as a reader says it. */
export function sayBytes(bytes) {
  return bytes < 1e5 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** A time as a reader says it. */
export function saySeconds(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1)} seconds`;
  if (seconds < 99.5) return `${Math.round(seconds)} seconds`;
  return `${(seconds / 60).toFixed(1)} minutes`;
}

export function sayDigits(count) {
  return count === 1 ? 'one digit' : `${count} digits`;
}

/** The sampler with its settings, in a few words. */
export function saySampler({ sampler, eta, clip }) {
  const name = sampler === 'ddim' ? `DDIM with η = ${sayExactly(eta)}` : `the ancestral sampler with σ² = ${sampler === 'beta' ? 'β' : 'β̃'}`;
  return clip ? name : `${name} and x̂_0 left free`;
}

/** The same for the label of a row. */
export function sayRow({ sampler, eta, clip, seed }, of) {
  const name = sampler === 'ddim' ? `DDIM, η = ${sayExactly(eta)}` : `ancestral, σ² = ${sampler === 'beta' ? 'β' : 'β̃'}`;
  return `${name}, ${sayCount(of)} ${of === 1 ? 'step' : 'steps'}, seed ${sayCount(seed)}${clip ? '' : ', left free'}`;
}

const evaluationsOf = (settings) => stepsOf(settings) * settings.count;
const times = (n) => (n === 1 ? 'once' : `${sayCount(n)} times`);

/**
 * @param {{phase: string, state: object, bytes: number, run: object | null, trouble: string}} now
 *     run: { settings, of, made, seconds, k, t, distance, beyond, furthest, settled }: made steps in `seconds` of computing;
 *     state k, at t, is looked at, its x̂_0 is `distance` from the end (null before that), settled is the t from which it stays near it
 */
export function describeDigits(now) {
  const { phase, state, run, bytes } = now;
  if (phase === 'failed') return 'The digits could not be drawn.';
  if (phase === 'loading') return `The network is on its way: ${sayBytes(bytes)}, loaded once for this page.`;
  if (!run) {
    const free = bytes > 0 ? `loads the network, ${sayBytes(bytes)}, and ` : '';
    return `Nothing has been drawn yet. A press ${free}draws ${sayDigits(state.count)} by ${saySampler(state)}, in ${sayCount(stepsOf(state))} ${stepsOf(state) === 1 ? 'step' : 'steps'}: the network is asked ${times(evaluationsOf(state))}, here in your browser.`;
  }
  const { settings, of, made, seconds, k } = run;
  const asked = made * settings.count;
  const rate = seconds > 0 ? asked / seconds : 0;
  const said = [];
  const them = settings.count === 1 ? 'the digit' : `the ${settings.count} digits`;
  if (phase === 'done') {
    said.push(`${settings.count === 1 ? 'One digit' : `${settings.count} digits`} by ${saySampler(settings)}, in ${sayCount(of)} ${of === 1 ? 'step' : 'steps'}: the network was asked ${times(asked)} in ${saySeconds(seconds)}, ${say(rate, 2)} times a second.`);
  } else {
    const verb = phase === 'paused' ? 'Paused' : phase === 'stopped' ? 'Stopped' : 'Drawing';
    said.push(`${verb}: ${made} of ${sayCount(of)} steps of ${them} are made, by ${saySampler(settings)}; the network was asked ${times(asked)} in ${saySeconds(seconds)}${rate > 0 ? `, ${say(rate, 2)} times a second` : ''}.`);
    if (phase === 'running' && rate > 0) said.push(`About ${saySeconds(((of - made) * settings.count) / rate)} to go.`);
  }
  if (phase === 'done' && k < of) {
    said.push(`Shown is t = ${sayCount(run.t)}, after ${sayCount(k)} ${k === 1 ? 'step' : 'steps'}: the x̂_0 of the marked digit differs from its end by ${say(run.distance, 2)}, root mean square.`);
  } else if (phase === 'done' && run.settled !== null) {
    said.push(`By t = ${sayCount(run.settled)} the x̂_0 of the marked digit had come three quarters of its way to the end.`);
  } else if (phase !== 'running' && k >= 0) said.push(`Shown is t = ${sayCount(run.t)}.`);
  if (!settings.clip && phase !== 'running' && run.beyond !== null && k < of) {
    said.push(run.beyond > 0 ? `${say(100 * run.beyond, 2)} % of the pixels of x̂_0 lie outside [−1, 1], the furthest at ${say(run.furthest, 2)}.` : 'No pixel of x̂_0 lies outside [−1, 1].');
  }
  if (run.other) said.push('The controls have been moved since; press the button to draw with what they say now.');
  return said.join(' ');
}
