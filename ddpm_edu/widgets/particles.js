// The laboratory's particles: drawn from a histogram and moved by the kernel, with seeded noise.  No DOM.

import { histogramQuantile } from './histogram.js';
import { fillNormal, randomIntegers } from './random.js';

export const BLOCK = 25; // steps of noise drawn, and of positions kept, at a time

/**
 * Particles moved by the kernel itself, step by step.  The noise of each step depends on the seed and the step alone, so a
 * particle keeps its path: going back to an earlier t finds the same values, and a changed α bends the same paths.
 */
export class Particles {
  constructor(seed, count = 2000) {
    this.seed = seed;
    this.count = count;
    this.noise = []; // one Float32Array of BLOCK · count values a block
    this.shares = new Float64Array(count); // each particle's place in the starting histogram, as a share of its area
    const random = randomIntegers(seed, -1);
    for (let i = 0; i < count; i++) this.shares[i] = (random() + 0.5) / 4294967296;
    this.kept = []; // positions at t = 0, BLOCK, 2·BLOCK, …
    this.histogram = null;
    this.alpha = NaN;
    this.beta = NaN;
    this.x = new Float64Array(count);
  }

  noiseOf(block) {
    if (!this.noise[block]) {
      const values = new Float32Array(BLOCK * this.count);
      fillNormal(values, randomIntegers(this.seed, block));
      this.noise[block] = values;
    }
    return this.noise[block];
  }

  /** The positions at t; the array is used again by the next call. */
  at(histogram, alpha, beta, t) {
    if (histogram !== this.histogram) {
      this.histogram = histogram;
      this.kept = [Float64Array.from(this.shares, (u) => histogramQuantile(histogram, u))];
    } else if (alpha !== this.alpha || beta !== this.beta) {
      this.kept.length = 1;
    }
    this.alpha = alpha;
    this.beta = beta;
    const { count, x } = this;
    const a = Math.sqrt(alpha);
    const b = Math.sqrt(beta);
    const blocks = Math.floor(t / BLOCK);
    let block = Math.min(blocks, this.kept.length - 1);
    x.set(this.kept[block]);
    for (let step = block * BLOCK; step < t; ) {
      const noise = this.noiseOf(block);
      const steps = Math.min(BLOCK, t - step);
      let k = 0;
      for (; k + 5 <= steps; k += 5) {
        // five steps in one pass over the particles: four passes fewer through memory
        const n = k * count;
        for (let i = 0; i < count; i++) {
          let v = a * x[i] + b * noise[n + i];
          v = a * v + b * noise[n + count + i];
          v = a * v + b * noise[n + 2 * count + i];
          v = a * v + b * noise[n + 3 * count + i];
          x[i] = a * v + b * noise[n + 4 * count + i];
        }
      }
      for (; k < steps; k++) {
        for (let i = 0; i < count; i++) x[i] = a * x[i] + b * noise[k * count + i];
      }
      step += steps;
      if (steps === BLOCK) {
        block += 1;
        if (block === this.kept.length) this.kept.push(x.slice());
      }
    }
    return x;
  }
}
