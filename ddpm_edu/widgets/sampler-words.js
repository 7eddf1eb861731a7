// What the sampler shows, said in words that are right for every setting.  No DOM.

import { say, sayCount } from './words.js';

const ADDED = { beta: 'adding noise of variance β_t', beta_tilde: 'adding noise of variance β̃_t', none: 'adding no noise (DDIM)' };

/**
 * @param {{T: number, t: number, particles: number, noise: string, done: number, distance: number | null, floor: number,
 *          spread: number, mean: number, sd: number, end: {mean: number, sd: number} | null, at: {mean: number, sd: number} | null}} now
 *     mean and sd are the histogram's, `at` those of the particles at t, `end` at 0, `distance` of the end
 */
export function describeSampler(now) {
  const { T, t, particles, noise, done, distance, floor, at, end } = now;
  const many = sayCount(particles);
  const said = [];
  if (T === 1) {
    said.push(
      `One step, from noise straight to data. It is the last step too, and that adds no noise: each of the ${many} particles lands on the mean of all x_0 that could have led to its x_1, and since x_1 has next to nothing of x_0 in it, that is nearly the same mean, ${say(now.mean, 2)}, for all.`,
    );
  } else if (t === T) {
    said.push(`At t = T = ${sayCount(T)} nothing has happened: the ${many} particles are draws from N(0, 1).`);
    if (distance === null) return `${said[0]} Their walks are still being worked out.`;
    said.push('Each is about to walk back, guided by the exact score of the blurred histogram.');
  } else if (t > 0) {
    said.push(
      `After ${sayCount(T - t)} of ${sayCount(T)} steps back, ${ADDED[noise]}, the particles stand at t = ${sayCount(t)}${at ? `, with mean ${say(at.mean, 2)} and standard deviation ${say(at.sd, 2)}` : ''}.`,
    );
  } else {
    said.push(`${many} particles have walked from N(0, 1) back to the data in ${sayCount(T)} steps, ${ADDED[noise]}.`);
  }
  if (distance === null) {
    said.push(`${sayCount(done)} of them are worked out so far.`);
    return said.join(' ');
  }
  said.push(`${t > 0 ? 'At the end the' : 'The'} total variation to the histogram is ${say(distance, 2)}; for as many true draws it would be ${say(floor, 2)} on average.`);
  if (floor === 0 && distance === 0) said.push('There is one bar, and all are in it: counting by bars tells nothing more.');
  else if (distance <= floor + 3 * now.spread) said.push('So nothing tells these particles from true draws.');
  else if (distance < 0.2 || distance < 2.5 * floor) said.push('So the shape is nearly right, and what is off is more than chance.');
  else if (end && end.sd < 0.9 * now.sd) said.push(`So the shape is not found: the particles are too narrow, with standard deviation ${say(end.sd, 2)} in place of ${say(now.sd, 2)}. More steps would help.`);
  else said.push('So the shape is not found: more steps would help.');
  return said.join(' ');
}
