// Many particles that walk with a slip, counted at every t, and how far their law is from another.  No DOM.

import { mixtureCdf, mixtureMoments, pushMixture } from './mixture.js';
import { PIXEL, planSlip, slipNoise, slipSchedule, slipWalk } from './slips.js';

/** Bars of width 0.05, of which the 62nd holds the paper in its middle. */
export const BARS_COUNT = 161;
export const BAR_WIDTH = 0.05;
export const FIRST_EDGE = -80.5 * BAR_WIDTH;

/** Particles of one slip: worked out bit by bit, then kept as counts and moments of every t. */
export class Crowd {
  /** @param {{name: string, T: number, strength: number, without?: boolean, seed: number, count: number, kept?: number}} settings */
  constructor({ name, T, strength, without = false, seed, count, kept = 0 }) {
    this.plan = planSlip(name, T, strength, without);
    [this.T, this.seed, this.count, this.keep] = [T, seed, count, kept];
    this.counts = new Uint16Array((T + 1) * BARS_COUNT);
    this.sums = new Float64Array(T + 1);
    this.squares = new Float64Array(T + 1);
    this.beyond = new Uint16Array(T + 1); // how many lie outside of [−1, 1]
    this.below = new Uint16Array(T + 1); // and below the first bar
    this.ways = [];
    this.done = 0;
    this.way = new Float64Array(T + 1);
  }

  get finished() {
    return this.done === this.count;
  }

  /** Walks until that time, in milliseconds of performance.now(), or to the end. */
  work(until) {
    const { T, way, counts, sums, squares, beyond, below } = this;
    while (this.done < this.count) {
      slipWalk(this.plan, slipNoise(T, this.seed, this.done), way);
      for (let t = 0; t <= T; t++) {
        const x = way[t];
        const bar = Math.floor((x - FIRST_EDGE) / BAR_WIDTH);
        if (bar < 0) below[t] += 1;
        else if (bar < BARS_COUNT) counts[t * BARS_COUNT + bar] += 1;
        if (x < -1 || x > 1) beyond[t] += 1;
        sums[t] += x;
        squares[t] += x * x;
      }
      if (this.done < this.keep) this.ways.push(Float32Array.from(way));
      this.done += 1;
      if (performance.now() > until) return;
    }
  }

  /** Mean, standard deviation and the share outside of [−1, 1] at t. */
  momentsAt(t) {
    const mean = this.sums[t] / this.done;
    const sd = Math.sqrt(Math.max(0, this.squares[t] / this.done - mean * mean));
    return { mean, sd, beyond: this.beyond[t] / this.done };
  }

  /** The standard deviation at every t. */
  spreads() {
    return Float64Array.from(this.sums, (_, t) => this.momentsAt(t).sd);
  }

  /** The shares below and above all bars at t. */
  besideAt(t) {
    const inside = this.counts.subarray(t * BARS_COUNT, (t + 1) * BARS_COUNT).reduce((sum, n) => sum + n, 0);
    return [this.below[t] / this.done, (this.done - inside - this.below[t]) / this.done];
  }

  /** The shares of the bars at t. */
  sharesAt(t) {
    return Float64Array.from(this.counts.subarray(t * BARS_COUNT, (t + 1) * BARS_COUNT), (n) => n / this.done);
  }
}

/** The law that x_t ought to have, and its shares of the bars. */
export function truthAt(T, t) {
  const { alphaBar, noiseShare } = slipSchedule('none', T);
  const law = pushMixture(PIXEL, Math.sqrt(alphaBar[t]), 0, Math.sqrt(noiseShare[t]));
  let below = mixtureCdf(law, FIRST_EDGE);
  const shares = Float64Array.from({ length: BARS_COUNT }, (_, k) => {
    const next = mixtureCdf(law, FIRST_EDGE + (k + 1) * BAR_WIDTH);
    const share = next - below;
    below = next;
    return share;
  });
  return { ...mixtureMoments(law), shares, beyond: mixtureCdf(law, -1) + 1 - mixtureCdf(law, 1) };
}

/** The standard deviation that x_t ought to have, for every t. */
export function spreadsOfTruth(T) {
  const { alphaBar, noiseShare } = slipSchedule('none', T);
  const { sd } = mixtureMoments(PIXEL);
  return alphaBar.map((abar, t) => Math.sqrt(abar * sd * sd + noiseShare[t]));
}

/** Half the sum of the differences of two laws' shares of the bars, and of what lies beside them: total variation, 0 … 1. */
export function sharesApart(one, other) {
  let sum = 0;
  let beside = 0;
  for (let k = 0; k < one.length; k++) {
    sum += Math.abs(one[k] - other[k]);
    beside += other[k] - one[k];
  }
  return 0.5 * (sum + Math.abs(beside));
}

/**
 * How differently two crowds look: the total variation at the end, or, where that is larger, a third of the greatest
 * difference of the logarithms of their spreads along the way; spreads below 0.02 count as that.
 */
export function looksApart(one, other) {
  let most = 0;
  const spread = (crowd, t) => Math.log(Math.max(0.02, crowd.momentsAt(t).sd));
  for (let t = 0; t <= one.T; t++) most = Math.max(most, Math.abs(spread(one, t) - spread(other, t)));
  return Math.max(sharesApart(one.sharesAt(0), other.sharesAt(0)), most / 3);
}
