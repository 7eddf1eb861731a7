// What the laboratory shows, said in words that are right for every setting.  No DOM.

import { say, sayCount, sayExactly } from './words.js';

/** The first t at which the variance is within `share` of its limit; 0 < α < 1. */
export function nearLimitFrom(v0, alpha, limit, share = 0.01) {
  const gap = Math.abs(v0 - limit);
  if (gap <= share * limit) return 0;
  return Math.max(1, Math.ceil(Math.log((share * limit) / gap) / Math.log1p(alpha - 1) - 1e-9));
}

/** True when β and 1 − α are the same number but for rounding. */
export function isCoupled(alpha, beta) {
  return Math.abs(beta - (1 - alpha)) < 1e-9;
}

/**
 * What the laboratory shows, in two or three sentences.
 * @param {{alpha: number, beta: number, t: number, v0: number, m: object, limit: number, tv: number, kl: number, shape: number}} now
 */
export function describeLaboratory(now) {
  const { alpha, beta, t, v0, m, limit, tv, kl, shape } = now;
  const away = `Distance to N(0, 1): total variation ${say(tv, 2)}, KL ${kl < 1e-12 ? 'below 10⁻¹²' : say(kl, 2)}${kl === Infinity ? '' : ' nats'}.`;
  const v = `v_t = ${say(m.variance)}`;
  const said = [];
  if (t === 0) {
    said.push(`At t = 0 no step has been taken: x_t is the histogram as drawn, with mean ${say(m.mean)} and variance ${say(m.variance)}.`);
    said.push(forecast(now));
    said.push(away);
    return said.join(' ');
  }
  if (alpha === 0 && beta === 0) {
    return `With α = 0 and β = 0 the first step forgets x_0 and adds nothing: every value is exactly 0. ${away}`;
  }
  if (alpha === 1 && beta === 0) {
    return `With α = 1 and β = 0 nothing moves: x_t is x_0 at every t, with variance ${say(m.variance)}. ${away}`;
  }
  if (alpha === 0) {
    const what =
      beta === 1
        ? 'exactly N(0, 1): all noise, in one jump'
        : `Gaussian with variance β = ${sayExactly(beta)}, ${beta > 1 ? 'too wide' : 'too narrow'} for N(0, 1)`;
    said.push(`With α = 0 the first step forgets x_0 altogether. From t = 1 on x_t = √β ε is ${what}.`);
    said.push(t > 1 ? 'Every later step only draws it afresh.' : '');
    said.push(away);
    return said.filter(Boolean).join(' ');
  }
  if (beta === 0) {
    const end = alpha < 1 ? 'it shrinks towards a point, not towards N(0, 1)' : 'it widens without end';
    said.push(
      `With β = 0 no noise is added. Each step only ${alpha < 1 ? 'shrinks' : 'stretches'} x by √α = ${say(Math.sqrt(alpha))}: ` +
        `at t = ${t} the start is ${m.s === 0 ? 'too small to measure' : `${say(m.s)} times as wide`}, its shape unchanged, and ${end}.`,
    );
    said.push(away);
    return said.join(' ');
  }
  if (alpha === 1) {
    said.push(`With α = 1 nothing is forgotten: every step adds β = ${sayExactly(beta)} to the variance. It has grown in a straight line from ${say(v0)} to ${say(m.variance)} and never settles.`);
  } else if (alpha > 1) {
    said.push(`With α > 1 every step stretches x and then adds noise, so the variance grows faster with every step: from ${say(v0)} to ${say(m.variance)}. It never settles.`);
  } else {
    const near = Math.abs(m.variance - limit) <= 0.01 * limit;
    const from = nearLimitFrom(v0, alpha, limit);
    const progress = near
      ? ` and is within 1 % of it now (${v})`
      : `; now ${v}, and ${from <= 1000 ? `from t = ${sayCount(from)} it is` : `only from t = ${sayCount(from)} would it be`} within 1 % of its limit`;
    if (isCoupled(alpha, beta)) said.push(`Because β = 1 − α, the variance settles at 1${progress}.`);
    else if (Math.abs(limit - 1) <= 0.01) said.push(`The variance settles at β/(1 − α) = ${say(limit, 4)}, within 1 % of the 1 that is wanted${progress}.`);
    else said.push(`The variance settles at β/(1 − α) = ${say(limit)}${progress}. ${limit > 1 ? 'That is too wide' : 'That is too narrow'} for N(0, 1).`);
    if (beta >= 0.2) said.push(`The steps are coarse: each adds noise of width √β = ${say(Math.sqrt(beta), 2)}.`);
  }
  said.push(describeShape(shape, m, alpha, now.startShape));
  said.push(away);
  return said.join(' ');
}

function forecast({ alpha, beta, limit }) {
  if (alpha === 0) return beta === 0 ? 'One step will set every value to 0.' : 'One step will forget it altogether.';
  if (beta === 0) {
    if (alpha === 1) return 'With α = 1 and β = 0 no step will change it.';
    return alpha < 1 ? 'With β = 0 the steps will only shrink it.' : 'With β = 0 the steps will only stretch it.';
  }
  if (alpha > 1) return 'With α > 1 its variance will grow without end, faster with every step.';
  if (alpha === 1) return 'With α = 1 its variance will grow without end, by β a step.';
  if (isCoupled(alpha, beta)) return 'Because β = 1 − α, its variance will settle at 1.';
  return `Its variance will settle at β/(1 − α) = ${say(limit)}.`;
}

/** Shape apart from width: shape is KL(x_t ‖ a Gaussian of equal mean and variance), in nats. */
function describeShape(shape, m, alpha, startShape) {
  if (startShape < 5e-3) return 'The shape was Gaussian, to the eye, from the start.';
  if (m.s === 0) return 'The shape is Gaussian; of x_0 nothing is left that a float could hold.';
  const size = alpha === 1 ? 'at its full size' : alpha < 1 ? `at ${say(m.s, 2)} of its size` : `at ${say(m.s, 2)} times its size`;
  if (shape >= 0.02) return `The start still shows in the shape: x_0 is in it ${size}.`;
  if (shape >= 1e-3) return `The shape is nearly Gaussian; x_0 is in it ${size}.`;
  return `By eye the shape is Gaussian; x_0 is in it ${size}, under noise of width ${say(m.sigma, 2)}.`;
}
