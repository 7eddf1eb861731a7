// What the quiz says: the symptom in numbers, the verdict, the score.  No DOM.

import { sayMean, sayShare } from './museum-words.js';
import { say, sayCount } from './words.js';

/** A title at the start of a sentence. */
export function capital(text) {
  return /^[a-z]{2}/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}

/** @param {{T: number, count: number, own: object | null, truth: object, middle: object | null, middleOught: number}} now */
export function describeSymptom({ T, count, own, truth, middle, middleOught }) {
  if (!own) return `${sayCount(count)} particles are walking with a slip.`;
  return [
    `One line is wrong. After T = ${sayCount(T)} steps the ${sayCount(count)} particles have mean ${sayMean(own.mean)} and standard deviation ${say(own.sd, 2)}; they ought to have ${say(truth.mean, 2)} and ${say(truth.sd, 2)}.`,
    `${sayShare(own.beyond)} of them lie beyond ±1, where ${sayShare(truth.beyond)} should, and the total variation to the law that they ought to have is ${say(own.distance, 2)}.`,
    `At half of the way, t = ${sayCount(Math.round(T / 2))}, their standard deviation is ${say(middle.sd, 2)} in place of ${say(middleOught, 2)}.`,
  ].join(' ');
}

/** How one that was picked would have looked, in numbers. */
export function describeOther({ own, middle }) {
  return `Standard deviation ${say(own.sd, 2)} in the end and ${say(middle.sd, 2)} at half of the way, ${sayShare(own.beyond)} beyond ±1, total variation ${say(own.distance, 2)}.`;
}

/** @param {{state: string | null, tries: number}[]} results  one for each question */
export function describeScore(results) {
  const right = results.filter((one) => one.state === 'right');
  const atOnce = right.filter((one) => one.tries <= 1).length;
  const shown = results.filter((one) => one.state === 'shown').length;
  const left = results.length - right.length - shown;
  const said = [`${right.length} of ${results.length} right${right.length ? `, ${atOnce} of them at the first try` : ''}`];
  if (shown) said.push(`${shown} shown`);
  if (left && left < results.length) said.push(`${left} to go`);
  return `${said.join('; ')}.`;
}
