// The one-dimensional laboratory: x_t = √α · x_{t−1} + √β · ε with independent α and β, from a histogram to noise.

import { barsFigure } from './bars.js';
import { Axis, areaPath, html, linePath, linear, logarithmic, niceAbove, perFrame, setAttribute, setText, svg, ticks } from './drawing.js';
import { checkbox, chips, followPageMath, italic, lights, numbersTable, player, prose, reducedMotion, root, slider, sub, term } from './controls.js';
import { klRoughly, klToNormal, shapeDistance, totalVariation, totalVariationRoughly } from './distances.js';
import { countInto, makeHistogram } from './histogram.js';
import { keepState, sentenceUnder } from './keeper.js';
import { ALPHA_STOPS, BETA_STOPS, LIMITS, laboratoryEntries, laboratoryFrom } from './laboratory-state.js';
import { describeLaboratory, isCoupled } from './laboratory-words.js';
import { momentsAt, smear, varianceLimit } from './law.js';
import { normalPdf } from './normal.js';
import { BLOCK, Particles } from './particles.js';
import { curvePath, drags, key, place, plotBox } from './plot.js';
import { RANGE, STARTS, sameHeights, startNamed, validHeights } from './starts.js';
import { clamp, oneMinus, stops } from './state.js';
import { say, sayCount, sayExactly } from './words.js';

const END = LIMITS.t[1];
const SHOW = 500; // where a laboratory that plays by itself begins anew

/** Regimes worth seeing, each at a t where it shows. */
const REGIMES = [
  { label: 'smooth', title: 'α = 0.99, β = 0.01', alpha: 0.99, beta: 0.01, t: 200 },
  { label: 'one jump', title: 'α = 0, β = 1', alpha: 0, beta: 1, t: 1 },
  { label: 'too wide', title: 'α = 0.98, β = 0.2', alpha: 0.98, beta: 0.2, t: 200 },
  { label: 'linear growth', title: 'α = 1, β = 0.01', alpha: 1, beta: 0.01, t: 500 },
  { label: 'explosion', title: 'α = 1.02, β = 0.01', alpha: 1.02, beta: 0.01, t: 300 },
];

/** What each term does, said when it is lit. */
const MEANINGS = {
  'x-t': 'x_t: the black curve. Its variance is the top edge of the two areas.',
  alpha: '√α shrinks the last value: the blue shape is what is left of x_0, the blue area its variance.',
  previous: 'x_{t−1}: the thin curve is the law one step earlier.',
  'x-0': 'x_0: the histogram you draw.',
  beta: '√β ε adds noise: the orange curve is all the noise added so far, the orange area its variance.',
  epsilon: 'ε is drawn afresh at every step from N(0, 1), the dashed curve.',
  normal: 'N(0, 1), where the forward process should end.',
  limit: 'β/(1 − α): where the variance settles.',
  distance: 'Two distances to N(0, 1): total variation (TV) and KL divergence. On this log axis a straight line is a steady decay.',
  mean: 'The mean shrinks like √α to the power t.',
};

const INVITATION = 'Point at a term, or at a part of the figures: they answer each other.';

/** The t at which the curves along t are computed: every one at first, then ever wider apart, at most 16. */
const TIMES = (() => {
  const times = [];
  for (let t = 0; t < END; t += Math.min(16, Math.max(1, Math.round(t * 0.09)))) times.push(t);
  return [...times, END];
})();

const T_STOPS = stops([0, END, 1]);

function render({ model, el }) {
  const given = (name, otherwise) => {
    const value = model.get(name);
    return value === undefined || value === null ? otherwise : value;
  };
  const compact = given('compact', false) === true;
  const state = { alpha: 0.99, beta: 0.01, t: 200, histogram: STARTS['two humps'], coupled: false, joined: false };
  const seed = given('seed', 1);

  const fromModel = () => {
    for (const name of ['alpha', 'beta', 't']) {
      const value = given(name, state[name]);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = clamp(value, LIMITS[name]);
    }
    state.t = Math.round(state.t);
    const heights = given('histogram', null);
    if (validHeights(heights) && !sameHeights(heights, state.histogram)) state.histogram = heights.slice();
    state.coupled = given('coupled', state.coupled) === true;
    state.joined = given('joined', state.joined) === true;
  };
  const particles = new Particles(seed);
  let histogram = null;
  let heightsDrawn = null; // the array that `histogram` was made from

  // ------------------------------------------------------------------------------------------------ changing the state

  const kept = keepState({
    model,
    el,
    state,
    names: ['alpha', 'beta', 't', 'histogram', 'coupled', 'joined'],
    fromModel,
    fromAddress: laboratoryFrom,
    entries: laboratoryEntries,
    update: () => update(),
  });
  const { change } = kept;

  const setAlpha = (alpha) => {
    if (!state.coupled) return change({ alpha });
    const kept = clamp(alpha, [0, 1]);
    change({ alpha: kept, beta: oneMinus(kept) });
  };
  const setBeta = (beta) => {
    if (!state.coupled) return change({ beta });
    const kept = clamp(beta, [0, 1]);
    change({ beta: kept, alpha: oneMinus(kept) });
  };
  const setCoupled = (coupled) => {
    if (!coupled) return change({ coupled });
    const alpha = state.alpha <= 1 ? state.alpha : 1;
    change({ coupled, alpha, beta: oneMinus(alpha) });
  };
  const setT = (t) => change({ t: Math.round(clamp(t, LIMITS.t)) });

  // ------------------------------------------------------------------------------------------------------ the equation

  const terms = {
    step: {
      xt: term('x-t', [sub('x', 't')], 'x at t'),
      alpha: term('alpha', [root(italic('α'))], 'square root of α'),
      previous: term('previous', [html('span', { class: 'indexed' }, italic('x'), html('sub', {}, 't−1'))], 'x at t minus 1'),
      beta: term('beta', [root(italic('β'))], 'square root of β'),
      epsilon: term('epsilon', [italic('ε')], 'ε, fresh noise'),
    },
    jump: {
      xt: term('x-t', [sub('x', 't')], 'x at t'),
      alpha: term('alpha', [italic('α'), html('sup', {}, 't/2')], 'α to the power t/2'),
      x0: term('x-0', [sub('x', '0')], 'x at 0'),
      beta: term(
        'beta',
        [
          root(
            italic('β'),
            html('span', { class: 'if-wide' }, '(1 + ', italic('α'), ' + … + ', italic('α'), html('sup', {}, 't−1'), ')'),
            html('span', { class: 'if-narrow' }, ' Σ', html('sub', {}, 'k<t'), ' ', italic('α'), html('sup', {}, 'k')),
          ),
        ],
        'square root of the noise added in t steps',
      ),
      epsilon: term('epsilon', [italic('ε')], 'ε, noise'),
    },
  };
  const operator = (text) => html('span', { class: 'operator' }, text);
  const hint = html('p', { class: 'hint' });
  const equations = html(
    'div',
    { class: 'equations' },
    html(
      'div',
      { class: 'equation', role: 'group', 'aria-label': 'One step of the kernel' },
      html('span', { class: 'equation-name' }, 'one step'),
      terms.step.xt.element,
      operator('='),
      terms.step.alpha.element,
      terms.step.previous.element,
      operator('+'),
      terms.step.beta.element,
      terms.step.epsilon.element,
    ),
    html(
      'div',
      { class: 'equation', role: 'group', 'aria-label': 'All t steps in one jump' },
      html('span', { class: 'equation-name' }, 'all t steps'),
      terms.jump.xt.element,
      operator('='),
      terms.jump.alpha.element,
      terms.jump.x0.element,
      operator('+'),
      terms.jump.beta.element,
      terms.jump.epsilon.element,
    ),
  );

  // ------------------------------------------------------------------------------------------------------ the controls

  const alphaSlider = slider({
    symbol: 'α', name: 'what a step keeps', colour: 'alpha', stops: ALPHA_STOPS, limits: LIMITS.alpha, marks: [0, 0.5, 0.9, 0.99, 1, 1.1], set: setAlpha,
  });
  const betaSlider = slider({
    symbol: 'β', name: 'noise a step adds', colour: 'beta', stops: BETA_STOPS, limits: LIMITS.beta, marks: [0, 0.01, 0.1, 0.5, 1, 1.5], set: setBeta,
  });
  const tSlider = slider({
    symbol: 't', name: 'steps taken', colour: 'x-t', stops: T_STOPS, limits: LIMITS.t, marks: [0, 250, 500, 750, 1000], whole: true, set: setT,
  });
  const coupled = checkbox('keep β = 1 − α', setCoupled);
  const playButton = html('button', { type: 'button', class: 'chip play', onclick: () => play(!run.playing) }, 'Play');
  const transport = html(
    'div',
    { class: 'transport', role: 'group', 'aria-label': 'Move t' },
    playButton,
    html('button', { type: 'button', class: 'chip', onclick: () => setT(state.t + 1) }, 'Step'),
    html('button', { type: 'button', class: 'chip', onclick: () => { run.set(false); setT(0); } }, 'Reset'),
  );
  const regimes = chips({
    label: 'Regimes',
    items: REGIMES,
    choose: (regime) => change({ alpha: regime.alpha, beta: regime.beta, t: regime.t, coupled: state.coupled && isCoupled(regime.alpha, regime.beta) }),
  });
  const starts = chips({
    label: 'Start from',
    items: Object.keys(STARTS).map((name) => ({ label: name.replace('standard ', ''), name, title: name })),
    choose: (item) => change({ histogram: STARTS[item.name].slice() }),
  });
  const joined = checkbox('join the bar midpoints', (value) => change({ joined: value }));

  // ------------------------------------------------------------------------------------------------------- the figures

  const start = barsFigure({ title: ['The start, ', sub('x', '0')], change, state });
  const law = lawFigure();
  const along = compact ? null : timeFigure({ setT });
  const words = sentenceUnder(() => kept.touched && !run.playing);
  const table = numbersTable('What the laboratory shows now');
  const outer = html(
    'div',
    { class: `ddpm laboratory${compact ? ' compact' : ''}`, role: 'group', 'aria-label': 'One-dimensional laboratory' },
    equations,
    hint,
    html('div', { class: 'controls' }, alphaSlider.element, betaSlider.element, html('div', { class: 'side' }, coupled.element)),
    html('div', { class: 'controls time' }, tSlider.element, transport),
    compact ? null : regimes.element,
    html(
      'div',
      { class: 'figures' },
      html('figure', { class: 'start' }, start.caption, start.element, starts.element),
      html('figure', { class: 'law' }, law.caption, law.element, law.note, joined.element),
      along ? html('figure', { class: 'along' }, along.caption, along.element, along.note) : null,
    ),
    words.says,
    table.element,
    words.spoken,
  );
  el.replaceChildren(outer);

  let lit = '';
  lights(outer, (part) => {
    lit = part;
    hint.replaceChildren(...prose(MEANINGS[part] || INVITATION));
    update();
  });
  hint.append(INVITATION);

  const run = player({
    root: outer,
    isReduced: reducedMotion,
    advance: (steps) => {
      if (showing) {
        state.t = (state.t + steps) % SHOW;
        update();
        return true;
      }
      setT(state.t + steps);
      return state.t < END;
    },
    changed: (playing) => {
      setText(playButton, playing ? 'Pause' : 'Play');
      words.announce();
    },
  });
  // what plays by itself goes round until the reader takes hold of it; nothing of that is kept
  let showing = given('playing', false) === true && !reducedMotion() && !(el.dataset.address && window.location.hash.includes(`${el.dataset.address}.`));
  const takeHold = (event) => {
    if (!showing) return;
    showing = false;
    if (event.target !== playButton) run.set(false); // there the press itself pauses
  };
  if (showing) {
    state.t = 0;
    outer.addEventListener('pointerdown', takeHold, { capture: true });
    outer.addEventListener('keydown', (event) => event.key !== 'Tab' && takeHold(event), { capture: true });
    run.set(true);
  }
  const play = (on) => {
    if (on && state.t >= END) setT(0);
    run.set(on);
  };

  // ---------------------------------------------------------------------------------------------------- drawing it all

  const draw = () => {
    if (heightsDrawn !== state.histogram) {
      if (heightsDrawn === null || !sameHeights(heightsDrawn, state.histogram)) histogram = makeHistogram(state.histogram, ...RANGE);
      heightsDrawn = state.histogram;
    }
    const { alpha, beta, t } = state;
    const m = momentsAt(histogram, alpha, beta, t);
    const tv = totalVariation(histogram, m);
    const kl = klToNormal(histogram, m);
    const limit = varianceLimit(histogram, alpha, beta);
    const unmoved = momentsAt(histogram, alpha, beta, 0);
    const shape = m.s === 0 && m.sigma === 0 ? 0 : shapeDistance(histogram, m);
    const now = { alpha, beta, t, v0: histogram.variance, m, limit, tv, kl, shape, startShape: shapeDistance(histogram, unmoved) };

    start.draw(state, histogram);
    law.draw({ histogram, m, previous: lit === 'previous' && t > 0 ? momentsAt(histogram, alpha, beta, t - 1) : null, lit, joined: state.joined, x: particles.at(histogram, alpha, beta, t), t });
    if (along) along.draw({ histogram, alpha, beta, t, m, tv, kl, limit });

    alphaSlider.show(alpha);
    betaSlider.show(beta);
    tSlider.show(t);
    coupled.show(state.coupled);
    joined.show(state.joined);
    regimes.show((r) => r.alpha === alpha && r.beta === beta);
    const name = startNamed(state.histogram);
    starts.show((item) => item.name === name);

    const width = Math.sqrt(m.variance);
    const before = t > 0 ? Math.sqrt(momentsAt(histogram, alpha, beta, t - 1).variance) : width;
    terms.step.xt.show(`sd ${say(width)}`, `standard deviation ${say(width)}`);
    terms.step.alpha.show(say(Math.sqrt(alpha)));
    terms.step.previous.show(t > 0 ? `sd ${say(before)}` : '–', t > 0 ? `standard deviation ${say(before)}` : 'none yet');
    terms.step.beta.show(say(Math.sqrt(beta)));
    terms.step.epsilon.show('sd 1', 'standard deviation 1');
    terms.jump.xt.show(`t = ${t}`);
    terms.jump.alpha.show(say(m.s));
    terms.jump.x0.show(`sd ${say(Math.sqrt(histogram.variance))}`, `standard deviation ${say(Math.sqrt(histogram.variance))}`);
    terms.jump.beta.show(say(m.sigma));
    terms.jump.epsilon.show('sd 1', 'standard deviation 1');

    words.show(describeLaboratory(now));
    table.show(() => [
      ['α', sayExactly(alpha)],
      ['β', sayExactly(beta)],
      ['t', sayCount(t)],
      ['mean of x_t', say(m.mean)],
      ['variance of x_t', say(m.variance, 4)],
      ['… of it left from x_0', say(m.signal, 4)],
      ['… of it added as noise', say(m.noise, 4)],
      ['limit of the variance, β/(1 − α)', limit === Infinity ? 'none' : say(limit, 4)],
      ['total variation distance to N(0, 1)', say(tv, 4)],
      ['KL divergence from N(0, 1), nats', kl < 1e-12 ? 'below 10⁻¹²' : say(kl, 4)],
    ]);
    kept.save();
  };

  const update = perFrame(draw);
  const resize = new ResizeObserver(() => {
    const wide = outer.clientWidth;
    setAttribute(outer, 'data-columns', compact ? (wide >= 560 ? '2' : '1') : wide >= 860 ? '3' : wide >= 560 ? '2' : '1');
    start.resize();
    law.resize();
    if (along) along.resize();
    draw();
  });
  resize.observe(outer);

  // the particles' noise is drawn while the reader takes aim, so that the first long jump of t does not wait for it
  let block = 0;
  const prepare = (deadline) => {
    while (block * BLOCK < END && deadline.timeRemaining() > 4) particles.noiseOf(block++);
    if (block * BLOCK < END) idle = window.requestIdleCallback(prepare);
  };
  let idle = 0;
  if (window.requestIdleCallback) outer.addEventListener('pointerenter', () => window.requestIdleCallback(prepare), { once: true });

  const unfollow = followPageMath(outer);

  return () => {
    unfollow();
    if (idle) window.cancelIdleCallback(idle);
    run.stop();
    resize.disconnect();
    update.cancel();
    words.announce.cancel();
    kept.stop();
  };
}

// --------------------------------------------------------------------------------------- middle: the law of x_t

function lawFigure() {
  const plot = plotBox(
    { left: 36, right: 10, top: 10, bottom: 26 },
    {
      class: 'plot',
      role: 'img',
      'aria-label': 'Density of x at t, with the histogram of the particles and the density of N(0, 1). The sentence and the table below give its numbers.',
    },
  );
  const box = plot.element;
  const xAxis = new Axis(box, 'x');
  const yAxis = new Axis(box, 'y');
  const dots = plot.path('particles', 'x-t');
  const signal = svg('path', { class: 'ghost ghost-alpha part part-alpha' });
  const noise = svg('path', { class: 'ghost ghost-beta part part-beta' });
  const previous = svg('path', { class: 'ghost ghost-previous part part-previous' });
  const target = svg('path', { class: 'normal part part-normal part-epsilon', 'data-part': 'normal' });
  const exact = svg('path', { class: 'exact part part-x-t', 'data-part': 'x-t' });
  const joinedLine = svg('path', { class: 'joined' });
  plot.inside.append(signal, noise, previous, target, joinedLine, exact);
  const floor = svg('line', { class: 'floor' });
  const above = svg('text', { class: 'above', 'text-anchor': 'middle', 'aria-hidden': 'true' }, '');
  box.append(plot.inside, floor, above);

  const heading = html('b', {}, 'The law of ', sub('x', 't'));
  const caption = html(
    'figcaption',
    {},
    heading,
    html('span', { class: 'keys' }, key('x-t', 'exact', 'exact'), key('x-t', 'particles', '2,000 particles'), key('normal', 'normal', 'N(0, 1)')),
  );
  const note = html('p', { class: 'note' }, '');

  let axes = '';

  return {
    caption,
    element: box,
    note,
    resize: () => {
      plot.resize();
      axes = '';
      place(floor, { x1: plot.left, x2: plot.right, y1: plot.bottom + 0.5, y2: plot.bottom + 0.5 });
    },
    draw: ({ histogram, m, previous: earlier, lit, joined, x: positions }) => {
      const sd = Math.sqrt(m.variance);
      const need = Math.min(Math.abs(m.mean) + 3.3 * sd, RANGE[1] * m.s + 3.3 * m.sigma);
      const half = need <= 4.3 ? 4 : need <= 6.4 ? 6 : niceAbove(need / 1.1);
      const curve = lawCurve(histogram, m, half);
      const peak = curve.peak;
      const top = peak < 0.03 ? niceAbove(1.2 * peak) : [0.5, 0.75, 1, 1.5].find((v) => v >= 1.08 * peak) || 1.5;
      const { left, right, bottom } = plot;
      const x = linear(-half, half, left, right);
      const y = linear(0, top, bottom, plot.top + 8);
      const wanted = `${half} ${top}`;
      if (axes !== wanted) {
        axes = wanted;
        xAxis.draw((half >= 1e4 ? [-half, 0, half] : [-half, -half / 2, 0, half / 2, half]).map((v) => ({ at: x(v), label: half >= 1e4 ? say(v, 1) : sayExactly(v), anchor: v === half ? 'end' : v === -half ? 'start' : 'middle' })), bottom, bottom + 5, bottom + 19);
        yAxis.draw(ticks(0, top, 3).filter((v) => v > 0).map((v) => ({ at: y(v), label: top < 0.004 ? '' : sayExactly(v) })), left, right, left - 5);
        // N(0, 1), with nearly all points where it is above the smallest float
        const points = half <= 4 ? 160 : 260;
        const inner = Math.min(38, half);
        const spot = (i) => {
          const u = (2 * i) / points - 1;
          const size = Math.abs(u);
          return Math.sign(u) * (size < 0.95 ? (size / 0.95) * inner : inner + ((size - 0.95) / 0.05) * (half - inner));
        };
        setAttribute(target, 'd', linePath(points + 1, (i) => x(spot(i)), (i) => y(normalPdf(spot(i)))));
      }
      const { X, P, count } = curve;
      setAttribute(exact, 'd', curvePath(count, (i) => x(X[i]), (i) => y(P[i])));

      // the particles, counted in bins that agree with the starting bars where the axis is the usual one
      const w = histogram.width;
      const extra = Math.ceil((half + RANGE[0]) / w);
      const binWidth = half <= 4 ? w : (2 * half) / 48;
      const low = half <= 4 ? RANGE[0] - extra * w : -half;
      const counts = new Float64Array(half <= 4 ? histogram.count + 2 * extra : 48);
      countInto(counts, positions, low, low + binWidth * counts.length);
      const scale = 1 / (positions.length * binWidth);
      let steps = `M${x(low).toFixed(1)} ${bottom}`;
      let middles = '';
      for (let k = 0; k < counts.length; k++) {
        const level = Math.max(-60, Math.round(y(counts[k] * scale) * 10) / 10);
        const right = Math.round(x(low + (k + 1) * binWidth) * 10) / 10;
        steps += `V${level}H${right}`;
        if (joined) middles += `${k ? 'L' : 'M'}${Math.round(x(low + (k + 0.5) * binWidth) * 10) / 10} ${level}`;
      }
      setAttribute(dots, 'd', `${steps}V${bottom}Z`);
      setAttribute(joinedLine, 'd', middles);

      // what a lit term shows, fitted into the frame where its true height would leave it
      const fit = (one) => Math.min(1, (0.9 * top) / one.peak);
      if (lit === 'alpha') {
        const only = { ...m, sigma: 0, noise: 0, variance: m.signal, logVariance: 2 * m.logS + Math.log(histogram.variance) };
        const ghost = lawCurve(histogram, only, half);
        const f = fit(ghost);
        setAttribute(signal, 'd', curvePath(ghost.count, (i) => x(ghost.X[i]), (i) => y(f * ghost.P[i])));
      }
      if (lit === 'beta') {
        const only = { ...m, s: 0, mean: 0, signal: 0, variance: m.noise };
        const ghost = lawCurve(histogram, only, half);
        const f = fit(ghost);
        setAttribute(noise, 'd', curvePath(ghost.count, (i) => x(ghost.X[i]), (i) => y(f * ghost.P[i])));
      }
      setAttribute(previous, 'd', earlier ? (({ X: U, P: Q, count: n }) => curvePath(n, (i) => x(U[i]), (i) => y(Q[i])))(lawCurve(histogram, earlier, half)) : '');

      const over = peak > top;
      setText(above, over ? `↑ ${peak === Infinity ? '∞' : say(peak, 3)}` : '');
      if (over) {
        setAttribute(above, 'x', Math.min(plot.width - 40, Math.max(left + 24, x(curve.peakAt))).toFixed(0));
        setAttribute(above, 'y', 12);
      }
      setText(
        note,
        half > 4
          ? `The axis now reaches ±${half >= 1e4 ? say(half, 1) : half}.${peak < 0.03 ? ' N(0, 1) is the thin spike, cut off at the top.' : ''}`
          : over
            ? `The peak is cut off: it reaches ${peak === Infinity ? 'infinity, all values being equal' : say(peak)}.`
            : '',
      );
    },
  };
}

/** Points of the exact density for drawing: dense enough for a smooth line, with its peak. */
function lawCurve(histogram, m, half) {
  if (m.s === 0 && m.sigma === 0) {
    return { X: [-half, 0, 0, 0, half], P: [0, 0, 1e9, 0, 0], count: 5, peak: Infinity, peakAt: 0 };
  }
  const gaussian = m.sigma > 0 && m.sigma > 300 * m.s;
  const X = [];
  const P = [];
  if (gaussian) {
    for (let i = -120; i <= 120; i++) {
      const z = i / 20;
      X.push(m.mean + z * m.sigma);
      P.push(normalPdf(z) / m.sigma);
    }
  } else {
    const { y, p } = smear(histogram, m.sigma === 0 ? 0 : m.sigma / m.s);
    const wide = m.sigma > 0 && y.length < 400;
    for (let i = 0; i < y.length; i++) {
      const at = m.s * y[i];
      if (i + 1 < y.length && m.s * y[i + 1] < -half) continue;
      X.push(at);
      P.push(p[i] / m.s);
      if (at > half) break;
      if (wide && i > 0 && i + 2 < y.length) {
        // three more points to the next node, on the cubic through four
        const [a, b, c, d] = [p[i - 1], p[i], p[i + 1], p[i + 2]];
        for (const u of [0.25, 0.5, 0.75]) {
          X.push(m.s * (y[i] + u * (y[i + 1] - y[i])));
          P.push(Math.max(0, b + 0.5 * u * (c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a)))) / m.s);
        }
      }
    }
  }
  let peak = 0;
  let peakAt = 0;
  for (let i = 0; i < P.length; i++) {
    if (P[i] > peak) {
      peak = P[i];
      peakAt = X[i];
    }
  }
  return { X, P, count: P.length, peak, peakAt };
}

// ------------------------------------------------------------------------------------------------ right: along t

function timeFigure({ setT }) {
  const plot = plotBox(
    { left: 56, right: 14, bottom: 40 },
    {
      class: 'plot scrub',
      role: 'img',
      'aria-label': 'Variance, mean and distance to N(0, 1) against t. The sentence and the table below give the numbers at the present t.',
    },
  );
  const { element: box, path } = plot;
  const strips = [
    { part: 'x-t', y: null, axis: new Axis(box, 'y') },
    { part: 'mean', y: null, axis: new Axis(box, 'y') },
    { part: 'distance', y: null, axis: new Axis(box, 'y') },
  ];
  const xAxis = new Axis(box, 'x');
  const signalArea = path('area area-alpha', 'alpha');
  const noiseArea = path('area area-beta', 'beta');
  const signalLine = path('thin thin-alpha', 'alpha');
  const noiseLine = path('thin thin-beta', 'beta');
  const one = path('normal', 'normal');
  const limitLine = path('limit', 'limit');
  const total = path('exact', 'x-t');
  const meanLine = path('exact', 'mean');
  const zero = path('zero', 'mean');
  const tvLine = path('exact', 'distance');
  const klLine = path('kl', 'distance');
  const titles = ['x-t', 'mean', 'distance'].map((part) => svg('text', { class: 'title', 'data-part': part, x: plot.left }, ''));
  const limitLabel = svg('text', { class: 'label', 'text-anchor': 'end', 'data-part': 'limit' }, '');
  const marker = svg('line', { class: 'marker' });
  const dots = [0, 1, 2, 3].map(() => svg('circle', { class: 'dot', r: 3.5 }));
  const handle = svg('path', { class: 'handle', d: 'M0 1L6 8V16H-6V8Z' });
  const curveNames = [
    svg('text', { class: 'label', 'text-anchor': 'start', 'data-part': 'distance' }, 'TV'),
    svg('text', { class: 'label', 'text-anchor': 'start', 'data-part': 'distance' }, 'KL'),
  ];
  box.append(plot.inside, limitLabel, ...curveNames, marker, ...dots, handle, ...titles);
  for (const label of [limitLabel, ...curveNames, ...titles]) setAttribute(label, 'aria-hidden', 'true');
  const caption = html(
    'figcaption',
    {},
    html('b', {}, 'Along ', italic('t')),
    html('span', { class: 'aside' }, 'Drag to move t.'),
    html('span', { class: 'keys' }, key('alpha', 'alpha', 'left from ', sub('x', '0')), key('beta', 'beta', 'added as noise'), key('limit', 'limit', 'limit')),
  );
  const note = html('p', { class: 'note' }, '');

  let x = null;
  let rows = [];
  let drawn = {};
  let curves = null;

  const follow = (at) => setT(x.invert(at.x));
  drags(box, { start: follow, move: follow });

  const compute = (histogram, alpha, beta) => {
    const n = TIMES.length;
    const out = { signal: new Float64Array(n), variance: new Float64Array(n), noise: new Float64Array(n), mean: new Float64Array(n), tv: new Float64Array(n), kl: new Float64Array(n) };
    for (let i = 0; i < n; i++) {
      const m = momentsAt(histogram, alpha, beta, TIMES[i]);
      out.signal[i] = m.signal;
      out.noise[i] = m.noise;
      out.variance[i] = m.variance;
      out.mean[i] = m.mean;
      out.tv[i] = totalVariationRoughly(histogram, m);
      out.kl[i] = klRoughly(histogram, m);
    }
    return out;
  };

  const redraw = (histogram, alpha, beta, limit) => {
    curves = compute(histogram, alpha, beta);
    const n = TIMES.length;
    const at = (i) => x(TIMES[i]);
    const highest = Math.max(...curves.variance);
    const isLog = highest > 60;
    const [r0, r1, r2] = rows;
    let y;
    if (isLog) {
      const low = 10 ** Math.floor(Math.log10(Math.max(1e-3, Math.min(1, ...curves.variance.filter((v) => v > 0)))));
      y = logarithmic(low, 10 ** Math.ceil(Math.log10(highest)), r0.bottom, r0.top);
    } else {
      y = linear(0, Math.max(1.25, 1.12 * highest), r0.bottom, r0.top);
    }
    strips[0].y = y;
    const decades = (low, high, most) => {
      const a = Math.round(Math.log10(low));
      const b = Math.round(Math.log10(high));
      const step = Math.max(1, Math.ceil((b - a) / most));
      const marks = [];
      for (let e = a; e <= b; e += step) marks.push(10 ** e);
      return marks;
    };
    const decadeName = (v) => (v >= 0.01 && v <= 1000 ? sayExactly(v) : say(v, 1).replace('1×', ''));
    const marks = isLog ? decades(...y.domain, 4) : ticks(0, y.domain[1], 4);
    strips[0].axis.draw(marks.map((v) => ({ at: y(v), label: isLog ? decadeName(v) : sayExactly(v), strong: !isLog && v === 0 })), plot.left, plot.right, plot.left - 6);
    const v = curves.variance;
    setAttribute(signalArea, 'd', isLog ? '' : areaPath(n, at, (i) => y(curves.signal[i]), () => y(0)));
    setAttribute(noiseArea, 'd', isLog ? '' : areaPath(n, at, (i) => y(v[i]), (i) => y(curves.signal[i])));
    setAttribute(signalLine, 'd', isLog ? linePath(n, at, (i) => y(curves.signal[i])) : '');
    setAttribute(noiseLine, 'd', isLog ? linePath(n, at, (i) => y(curves.noise[i])) : '');
    setAttribute(total, 'd', linePath(n, at, (i) => y(v[i])));
    setAttribute(one, 'd', `M${plot.left} ${y(1).toFixed(1)}H${plot.right}`);
    const inRange = Number.isFinite(limit) && limit <= y.domain[1] && limit > 0;
    setAttribute(limitLine, 'd', inRange ? `M${plot.left} ${y(limit).toFixed(1)}H${plot.right}` : '');
    const showLimit = alpha < 1 && beta > 0;
    setText(limitLabel, showLimit ? `limit ${say(limit)}${inRange ? '' : ' ↑'}` : '');
    if (showLimit) {
      const line = inRange ? y(limit) : r0.top;
      setAttribute(limitLabel, 'x', plot.right - 2);
      setAttribute(limitLabel, 'y', (line - r0.top < 16 ? line + 15 : line - 5).toFixed(1));
    }
    const far = Math.max(0.5, ...curves.mean.map(Math.abs));
    const reach = far > 0.5 ? niceAbove(far) : 0.5;
    const ym = linear(-reach, reach, r1.bottom, r1.top);
    strips[1].y = ym;
    strips[1].axis.draw([-reach, reach].map((value) => ({ at: ym(value), label: Math.abs(value) >= 1e4 ? say(value, 1) : sayExactly(value) })), plot.left, plot.right, plot.left - 6);
    setAttribute(zero, 'd', `M${plot.left} ${ym(0).toFixed(1)}H${plot.right}`);
    setAttribute(meanLine, 'd', linePath(n, at, (i) => ym(curves.mean[i])));

    const worst = Math.max(...curves.kl.map((value) => (Number.isFinite(value) ? value : 10)));
    const yd = logarithmic(1e-5, Math.max(10, 10 ** Math.ceil(Math.log10(3 * worst + 1e-9))), r2.bottom, r2.top);
    strips[2].y = yd;
    strips[2].axis.draw(decades(...yd.domain, 3).map((value) => ({ at: yd(value), label: decadeName(value) })), plot.left, plot.right, plot.left - 6);
    const fell = (values) => {
      // the line ends where it leaves the axis at the bottom
      let last = n;
      while (last > 1 && !(values[last - 2] > 1e-5)) last -= 1;
      return last;
    };
    const kl = curves.kl.map((value) => (value === Infinity ? yd.domain[1] : value));
    setAttribute(tvLine, 'd', linePath(fell(curves.tv), at, (i) => yd(curves.tv[i])));
    setAttribute(klLine, 'd', linePath(fell(kl), at, (i) => yd(kl[i])));
    // the curves' names: above the upper one, below the lower one, near the right end or where a curve leaves the axis
    const near = TIMES.findIndex((time) => time >= 0.9 * END);
    const spots = [curves.tv, kl].map((values) => {
      const last = fell(values) - 1;
      const k = Math.min(near, last);
      return { x: at(k), y: yd(values[k]), ends: last < near };
    });
    curveNames.forEach((label, i) => {
      const [own, other] = [spots[i], spots[1 - i]];
      const upper = own.y < other.y || (own.y === other.y && i === 0);
      const beside = own.ends && other.ends && Math.abs(own.x - other.x) < 26 ? 26 * i : 0;
      const py = own.ends ? own.y - 4 : own.y + (upper ? -7 : 15);
      setAttribute(label, 'text-anchor', own.ends ? 'start' : 'middle');
      setAttribute(label, 'x', (own.x + (own.ends ? 8 + beside : 0)).toFixed(1));
      setAttribute(label, 'y', Math.min(r2.bottom - 3, Math.max(r2.top + 9, py)).toFixed(1));
    });
    setText(note, isLog ? 'The variance axis is logarithmic, and so is that of the distances.' : 'The distances stand on a logarithmic axis.');
  };

  return {
    caption,
    element: box,
    note,
    resize: () => {
      plot.resize();
      x = linear(0, END, plot.left, plot.right);
      const free = plot.bottom - 3 * 24;
      const heights = [0.47 * free, 0.16 * free, 0.37 * free];
      let top = 0;
      rows = heights.map((h) => {
        const row = { title: top + 13, top: top + 20, bottom: top + 20 + h };
        top = row.bottom + 4;
        return row;
      });
      titles.forEach((title, i) => setAttribute(title, 'y', rows[i].title));
      const bottom = rows[2].bottom;
      xAxis.draw([0, 250, 500, 750, 1000].map((t) => ({ at: x(t), label: String(t), anchor: t === 1000 ? 'end' : 'middle' })), bottom, bottom + 18, bottom + 32);
      drawn = {};
    },
    draw: ({ histogram, alpha, beta, t, m, tv, kl, limit }) => {
      if (drawn.histogram !== histogram || drawn.alpha !== alpha || drawn.beta !== beta) {
        drawn = { histogram, alpha, beta };
        redraw(histogram, alpha, beta, limit);
      }
      const at = x(t);
      place(marker, { x1: at, x2: at, y1: rows[0].top, y2: rows[2].bottom });
      setAttribute(handle, 'transform', `translate(${at.toFixed(1)} ${rows[2].bottom.toFixed(1)})`);
      [m.variance, m.mean, tv, kl].forEach((value, i) => {
        const strip = Math.min(2, i);
        const row = rows[strip];
        const py = Math.min(row.bottom, Math.max(row.top, strips[strip].y(value === Infinity ? strips[strip].y.domain[1] : value)));
        place(dots[i], { cx: at, cy: py });
      });
      setText(titles[0], `variance ${say(m.variance)}`);
      setText(titles[1], `mean ${say(m.mean)}`);
      setText(titles[2], `distance: TV ${say(tv)}, KL ${kl < 1e-12 ? '< 10⁻¹²' : say(kl)}`);
    },
  };
}

export default { render };
