// What the posterior widget shows, said in words that are right for every setting.  No DOM.

import { say, sayExactly } from './words.js';

/** @param {{t: number, T: number, x_0: number, x_t: number, alphaBar: number, p: object}} now  `alphaBar`: ᾱ_{t−1}; `p`: from productAt */
export function describePosterior(now) {
  const { t, T, x_0: x0, x_t: xt, alphaBar, p } = now;
  const said = [];
  if (t === 1) {
    said.push(`At t = 1 the value before x_t is x_0 itself: its law is a single point, and a point times any bell is that point. The product is a spike at x_0 = ${sayExactly(x0)}, with variance 0, wherever x_t is: the start has weight 1, x_t has weight 0.`);
    if (T === 1) said.push('With T = 1 there is no other step.');
    return said.join(' ');
  }
  const { step, jump } = p;
  said.push(`Seen from x_t = ${sayExactly(xt)} alone, x_t−1 is ${near(step)}; seen from x_0 = ${sayExactly(x0)} alone, it is ${near(jump)}. Together they say ${near({ centre: p.mean, sd: p.sd })}.`);
  const ratio = jump.sd / step.sd;
  if (ratio > 1.5) said.push(`The step is the surer one, ${say(ratio, 2)} times as narrow as the jump from x_0, so the product lies close to it.`);
  else if (ratio < 1 / 1.5) said.push(`The jump from x_0 is the surer one, ${say(1 / ratio, 2)} times as narrow as the step, so the product lies close to it.`);
  else said.push('The two are about equally sure, so the product lies between them and is clearly narrower than each.');
  if (p.apart > 4) said.push(`They are ${say(p.apart, 2)} deviations apart: a chain from this x_0 would all but never come to this x_t. The product does not care; its width is the same for every x_0 and x_t.`);
  const sum = p.onStart + p.onNow;
  const gap = 1 - sum;
  said.push(`The weight of x_0 is ${say(p.onStart)}, that of x_t is ${say(p.onNow, 4)}; their sum ${gap < 5e-7 ? 'falls short of 1 by less than a millionth' : `falls short of 1 by ${say(gap, 2)}`}.`);
  if (t === T && T > 1 && alphaBar < 0.01) said.push(`At t = T of x_0 only ${say(Math.sqrt(alphaBar), 2)} is left in x_t−1: where it began makes hardly a difference.`);
  return said.join(' ');
}

function near({ centre, sd }) {
  return `near ${say(centre)}, give or take ${say(sd, 2)}`;
}

