// What the museum shows, said in words that are right for every setting, and where two lines of code differ.  No DOM.

import { say, sayCount } from './words.js';

/** A share in per cent, without more digits than some thousand particles can tell. */
export function sayShare(share) {
  if (share > 0 && share < 0.001) return 'under 0.1 %';
  return `${Number((100 * share).toFixed(share < 0.1 ? 1 : 0))} %`;
}

/** A mean, of which some thousand particles tell two decimals. */
export function sayMean(mean) {
  return Math.abs(mean) < 0.005 ? '0.00' : say(mean, 2);
}

/**
 * @param {{title: string, name: string, T: number, t: number, count: number, done: boolean, own: object | null,
 *          other: object | null, truth: object}} now
 *     own, other: {mean, sd, beyond, distance} of the particles at t, and of as many without the slip; truth: mean, sd, beyond
 */
export function describeMuseum(now) {
  const { name, T, t, count, own, other, truth } = now;
  if (!own || !other) return `${sayCount(count)} particles are walking.`;
  const said = [];
  const at = t === 0 ? `At the end, after ${sayCount(T)} steps,` : t === T ? `At t = T = ${sayCount(T)}, where nothing has happened yet,` : `At t = ${sayCount(t)}, after ${sayCount(T - t)} of ${sayCount(T)} steps,`;
  said.push(
    `${at} the ${sayCount(count)} particles have mean ${sayMean(own.mean)} and standard deviation ${say(own.sd, 2)}; they ought to have ${sayMean(truth.mean)} and ${say(truth.sd, 2)}.`,
  );
  said.push(`${sayShare(own.beyond)} of them lie beyond ±1, where ${sayShare(truth.beyond)} should.`);
  if (name === 'none') said.push(`The total variation to the law that they ought to have is ${say(own.distance, 2)}.`);
  else {
    said.push(`The total variation to the law that they ought to have is ${say(own.distance, 2)}; without the slip it is ${say(other.distance, 2)} for the same noise.`);
    if (own.distance < other.distance + 0.02) said.push(t === 0 ? 'So with these settings the slip does not show in the end.' : t === T ? 'What the slip does is still to come.' : 'So the slip does not show here.');
  }
  return said.join(' ');
}

const wordsOf = (line) => line.match(/\w+|\s+|./g) || [];

/** Two lines, each in three pieces: what they have in common at the start, what differs, what they have in common at the end. */
export function differenceOf(wrong, right) {
  const [a, b] = [wordsOf(wrong), wordsOf(right)];
  const least = Math.min(a.length, b.length);
  let start = 0;
  while (start < least && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < least - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  // where one has nothing of its own, the word before stands for it
  if (start > 0 && a.length !== b.length && (start + end === a.length || start + end === b.length)) start -= 1;
  const pieces = (words) => [words.slice(0, start).join(''), words.slice(start, words.length - end).join(''), words.slice(words.length - end).join('')];
  return [pieces(a), pieces(b)];
}
