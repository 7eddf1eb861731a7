// What the schedule explorer shows, said in words that are right for every setting.  No DOM.

import { say, sayCount, sayExactly } from './words.js';

/** What the schedule explorer shows, in a few sentences. */
export function describeSchedule(now) {
  const { kind, T, t, own, other, otherName, settled, otherSettled, v_0: v0, variance } = now;
  const said = [];
  const steps = `${sayCount(T)} steps`;
  const names = {
    constant: `Constant β = ${sayExactly(now.beta)} for ${steps}.`,
    linear: `β ${now.beta_T === now.beta_1 ? 'stays at' : now.beta_T > now.beta_1 ? 'rises in a straight line from' : 'falls in a straight line from'} ${sayExactly(now.beta_1)}${now.beta_T === now.beta_1 ? '' : ` to ${sayExactly(now.beta_T)}`} in ${steps}.`,
    cosine: `The cosine schedule: ᾱ_t follows a squared cosine in ${steps}, each β kept at or below 0.999.`,
    drawn: `Your own β, from ${sayExactly(own.beta[1])} at the first to ${sayExactly(own.beta[T])} at the last of ${steps}.`,
  };
  said.push(names[kind]);
  if (t === 0) said.push('At t = 0 nothing has happened: ᾱ_0 = 1.');
  else said.push(`At t = ${sayCount(t)} ᾱ_t = ${say(own.alphaBar[t])}: x_t holds ${say(Math.sqrt(own.alphaBar[t]), 2)} of x_0 and noise of width ${say(Math.sqrt(own.noiseShare[t]), 2)}.`);
  const end = own.alphaBar[T];
  const left = say(Math.sqrt(end), 2);
  if (end < 1e-3) said.push(`At the end ᾱ_T = ${say(end, 2)}: of x_0 next to nothing is left.`);
  else if (end < 0.02) said.push(`At the end ᾱ_T = ${say(end, 2)}: ${left} of x_0 is left, which is little, but not nothing.`);
  else said.push(`At the end ᾱ_T = ${say(end, 2)}: ${left} of x_0 is left, so the chain stops before it reaches N(0, 1), where sampling would start.`);
  const when = (from) => (from === null ? 'never comes within 1 % of 1' : from === 0 ? 'is within 1 % of 1 all the way' : `is within 1 % of 1 from t = ${sayCount(from)}`);
  const leaves = (from) => (from !== null && from > 0 && from < T ? `, which leaves ${sayCount(T - from)} steps in which it hardly moves` : '');
  said.push(`The variance starts at ${sayExactly(v0)}${t > 0 ? `, is ${say(variance[t])} now` : ''} and ${when(settled)}${leaves(settled)}.`);
  if (other) said.push(`With ${otherName} it ${when(otherSettled)}${leaves(otherSettled)}.`);
  return said.join(' ');
}
