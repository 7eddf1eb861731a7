// The step back: q(x_{t−1} | x_t) exactly, for a histogram that the reader draws, beside the best Gaussian.

import { barsFigure } from './bars.js';
import { Axis, areaPath, html, linePath, linear, logarithmic, niceAbove, perFrame, setAttribute, setText, svg, ticks } from './drawing.js';
import { chips, followPageMath, italic, lights, numbersTable, player, prose, reducedMotion, root, slider, sub, term } from './controls.js';
import { makeHistogram } from './histogram.js';
import { keepState, sentenceUnder } from './keeper.js';
import { curvePath, drags, key, place, plotBox } from './plot.js';
import { logDensity, noisyBars, stepOn } from './noisy-bars.js';
import { humps, reverseKernel, tweedie } from './reversal.js';
import { NOISE_STOPS, REVERSE_LIMITS, STEP_BETAS, X_T_STOPS, reverseEntries, reverseFrom, settledNoise } from './reverse-state.js';
import { LEAST_KL, describeReverse, sayKl } from './reverse-words.js';
import { RANGE, STARTS, sameHeights, startNamed, validHeights } from './starts.js';
import { clamp } from './state.js';
import { say, sayExactly } from './words.js';

const USUAL = { beta: 0.5, x_t: 0.2, noise: 0.02 };

/** Positions worth seeing. */
const SIGHTS = [
  { label: 'large step', title: 'β = 0.5', beta: 0.5, x_t: 0.2, noise: 0.02 },
  { label: 'leaning', title: 'β = 0.1', beta: 0.1, x_t: 0.2, noise: 0.02 },
  { label: 'small step', title: 'β = 0.005', beta: 0.005, x_t: 0.2, noise: 0.02 },
  { label: 'all forgotten', title: 'β = 1', beta: 1, x_t: 0.2, noise: 0.02 },
  { label: 'sharp edges', title: 'no noise in x_t−1, at the edge of a bar', beta: 0.01, x_t: 1.12, noise: 0 },
];

/** What each term does, said when it is lit. */
const MEANINGS = {
  kernel: 'q(x_t−1 | x_t), black: where x_t may have come from. Exact, by Bayes’ rule.',
  gaussian: 'The Gaussian with the kernel’s own mean and variance: no other Gaussian is nearer.',
  likelihood: 'q(x_t | x_t−1) as a function of x_t−1: where x_t−1 must have been for noise of this width to bring it to x_t.',
  prior: 'q(x_t−1): the law of all values one step earlier. Close up and for a small step it is nearly a straight slope.',
  'x-t': 'x_t: the value from which the step goes back. Drag it.',
  beta: 'β: the noise that the step has added. It sets the width of the likelihood.',
  score: 's_t: the slope of log q(x_t) at x_t, the law one step later (the dotted curve). The arrow is β s_t.',
  mean: 'm: the mean of the kernel. Tweedie’s formula is exact for every β.',
  variance: 'v: the kernel’s variance, from the slope of the score. The bar spans one standard deviation to each side.',
  kl: 'KL(kernel ‖ best Gaussian), on log axes: a straight line is a power of β.',
};

const INVITATION = 'Point at a term, or at a part of the figures: they answer each other.';

/** The β of the trace: four to a decade, from the slider's least to 1. */
const TRACE_BETAS = Array.from({ length: 13 }, (_, i) => 10 ** (-4 + i / 3));

function render({ model, el }) {
  const state = { ...USUAL, histogram: STARTS['two humps'] };
  const fromModel = () => {
    for (const [name, limits] of Object.entries(REVERSE_LIMITS)) {
      const value = model.get(name);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = clamp(value, limits);
    }
    const heights = model.get('histogram');
    if (validHeights(heights) && !sameHeights(heights, state.histogram)) state.histogram = heights.slice();
  };
  fromModel();
  const home = { beta: state.beta, x_t: state.x_t, noise: state.noise };
  const kept = keepState({
    model,
    el,
    state,
    names: ['beta', 'x_t', 'noise', 'histogram'],
    fromModel,
    fromAddress: reverseFrom,
    entries: reverseEntries,
    settle: () => {
      state.noise = settledNoise(state.noise);
      return [];
    },
    update: () => update(),
  });
  const { change } = kept;
  const setBeta = (beta) => change({ beta: Number(clamp(beta, REVERSE_LIMITS.beta).toPrecision(3)) });
  const setX = (x) => change({ x_t: Number(clamp(x, REVERSE_LIMITS.x_t).toFixed(3)) });

  // ------------------------------------------------------------------------------------------------------ the equation

  const before = () => html('span', { class: 'indexed' }, italic('x'), html('sub', {}, 't−1'));
  const operator = (text) => html('span', { class: 'operator' }, text);
  const terms = {
    kernel: term('kernel', [italic('q'), '(', before(), ' | ', sub('x', 't'), ')'], 'the step back'),
    likelihood: term('likelihood', [italic('q'), '(', sub('x', 't'), ' | ', before(), ')'], 'the step forward'),
    prior: term('prior', [italic('q'), '(', before(), ')'], 'the law one step earlier'),
    mean: term('mean', [italic('m')], 'mean of the step back'),
    xt: term('x-t', [sub('x', 't')], 'x at t'),
    beta: term('beta', [italic('β')], 'β'),
    score: term('score', [sub('s', 't')], 'score of x at t'),
    alpha: term('beta', [root(italic('α'))], 'square root of α'),
    variance: term('variance', [italic('v')], 'variance of the step back'),
    ratio: term('beta', [italic('β'), '/', italic('α')], 'β over α'),
    beta2: term('beta', [italic('β')], 'β'),
    slope: term('score', [html('span', { class: 'indexed' }, italic('s'), html('span', { class: 'prime' }, '′'), html('sub', {}, 't'))], 'slope of the score'),
  };
  const row = (label, ...parts) => html('div', { class: 'equation', role: 'group', 'aria-label': label }, ...parts);
  const equations = html(
    'div',
    { class: 'equations' },
    row('Bayes’ rule', terms.kernel.element, operator('∝'), terms.likelihood.element, terms.prior.element),
    row('Tweedie’s mean', terms.mean.element, operator('= ('), terms.xt.element, operator('+'), terms.beta.element, terms.score.element, operator(') /'), terms.alpha.element),
    row('Tweedie’s variance', terms.variance.element, operator('='), terms.ratio.element, operator('(1 +'), terms.beta2.element, terms.slope.element, operator(')')),
  );
  const hint = html('p', { class: 'hint' }, INVITATION);

  // ------------------------------------------------------------------------------------------------------ the controls

  const betaSlider = slider({
    symbol: 'β', name: 'noise that the step added', colour: 'beta', stops: STEP_BETAS, limits: REVERSE_LIMITS.beta, marks: [0.0001, 0.001, 0.01, 0.1, 1], set: (beta) => change({ beta }),
  });
  const xSlider = slider({ symbol: 'x_t', shown: sub('x', 't'), name: 'the value it ended at', colour: 'x-t', stops: X_T_STOPS, limits: REVERSE_LIMITS.x_t, marks: [-4, -2, 0, 2, 4], set: (x) => change({ x_t: x }) });
  const noiseSlider = slider({
    symbol: '1 − ᾱ', key: 'noise', shown: html('span', {}, '1 − ', html('span', { class: 'indexed' }, html('span', { class: 'barred', role: 'img', 'aria-label': 'ᾱ' }, italic('α')), html('sub', {}, 't−1'))), name: 'noise before it', colour: 'alpha', stops: NOISE_STOPS, limits: REVERSE_LIMITS.noise, marks: [0, 0.01, 0.1, 0.5, 0.95], set: (noise) => change({ noise }),
  });
  const playButton = html('button', { type: 'button', class: 'chip play', onclick: () => play(!run.playing) }, 'Play');
  const transport = html(
    'div',
    { class: 'transport', role: 'group', 'aria-label': 'Shrink β' },
    playButton,
    html('button', { type: 'button', class: 'chip', onclick: () => shrink(0.5) }, 'Halve β'),
    html('button', { type: 'button', class: 'chip', onclick: () => { run.set(false); change({ ...home }); } }, 'Reset'),
  );
  const sights = chips({ label: 'Look at', items: SIGHTS, choose: ({ beta, x_t, noise }) => change({ beta, x_t, noise }) });
  const starts = chips({
    label: 'Start from',
    items: Object.keys(STARTS).map((name) => ({ label: name.replace('standard ', ''), name, title: name })),
    choose: (item) => change({ histogram: STARTS[item.name].slice() }),
  });
  const shrink = (factor) => {
    const beta = Math.max(TRACE_BETAS[0], state.beta * factor);
    setBeta(beta);
    return beta > TRACE_BETAS[0];
  };

  // ------------------------------------------------------------------------------------------------------- the figures

  const start = barsFigure({ title: ['The data, ', sub('x', '0')], change, state });
  const whole = wholeFigure({ setX });
  const close = closeFigure();
  const meter = meterFigure({ setBeta });
  const moments = html('tbody');
  const momentsTable = html(
    'table',
    { class: 'reading' },
    html('thead', {}, html('tr', {}, html('td', {}, ''), html('th', { scope: 'col' }, 'by quadrature'), html('th', { scope: 'col' }, 'Tweedie'))),
    moments,
  );
  const cells = ['mean m', 'variance v'].map((name) => {
    const pair = [html('td', {}, ''), html('td', {}, '')];
    moments.append(html('tr', {}, html('th', { scope: 'row' }, name), ...pair));
    return pair;
  });
  const words = sentenceUnder(() => kept.touched && !run.playing);
  const table = numbersTable('What the figures show now');
  const outer = html(
    'div',
    { class: 'ddpm reverse', role: 'group', 'aria-label': 'The step back in one dimension' },
    equations,
    hint,
    html('div', { class: 'controls three' }, betaSlider.element, xSlider.element, noiseSlider.element),
    html('div', { class: 'moves' }, transport, sights.element),
    html(
      'div',
      { class: 'figures' },
      html('figure', { class: 'start' }, start.caption, start.element, starts.element),
      html('figure', { class: 'whole' }, whole.caption, whole.element, momentsTable),
      html('figure', { class: 'meter' }, meter.caption, meter.element),
      html('figure', { class: 'close' }, close.caption, close.element),
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

  const run = player({
    root: outer,
    isReduced: reducedMotion,
    advance: (steps) => shrink(10 ** (-0.02 * steps)),
    changed: (playing) => {
      setText(playButton, playing ? 'Pause' : 'Play');
      words.announce();
    },
  });
  const play = (on) => {
    if (on && state.beta <= TRACE_BETAS[0]) setBeta(0.9);
    run.set(on);
  };

  // ---------------------------------------------------------------------------------------------------- drawing it all

  let histogram = null;
  let heightsDrawn = null;
  let law = null;
  let trace = null; // { law, xt, kl }

  const draw = () => {
    if (heightsDrawn !== state.histogram) {
      if (heightsDrawn === null || !sameHeights(heightsDrawn, state.histogram)) histogram = makeHistogram(state.histogram, ...RANGE);
      heightsDrawn = state.histogram;
    }
    const { beta, x_t: xt, noise } = state;
    if (law === null || law.histogram !== histogram || law.noise !== noise) law = { ...noisyBars(histogram, noise), histogram };
    const kernel = beta > 0 ? reverseKernel(law, beta, xt) : null;
    const half = beta > 0 ? reverseKernel(law, beta / 2, xt, 3).kl : 0;
    const fall = kernel && kernel.kl > 1e-12 && half > LEAST_KL ? kernel.kl / half : null;
    if (trace === null || trace.law !== law || trace.xt !== xt) {
      trace = { law, xt, kl: TRACE_BETAS.map((b) => reverseKernel(law, b, xt, 3).kl) };
    }
    const tweedies = tweedie(law, beta, xt);
    const logQ = logDensity(beta < 1 ? stepOn(law, beta) : { ...law, sigma: 1, edges: [0, 1], density: [1], first: 0, last: 0 }, xt);

    start.draw(state, histogram);
    whole.draw({ law, kernel, beta, xt, lit, tweedies });
    close.draw({ law, kernel, beta, xt, lit });
    meter.draw({ kl: kernel ? kernel.kl : null, beta, trace: trace.kl });

    betaSlider.show(beta);
    xSlider.show(xt);
    noiseSlider.show(noise);
    sights.show((s) => s.beta === beta && s.x_t === xt && s.noise === noise);
    const name = startNamed(state.histogram);
    starts.show((item) => item.name === name);

    const sd = (v) => `sd ${say(v)}`;
    const spoken = (v) => `standard deviation ${say(v)}`;
    const width = beta < 1 ? Math.sqrt(beta / (1 - beta)) : Infinity;
    terms.kernel.show(kernel ? sd(kernel.sd) : 'a point', kernel ? spoken(kernel.sd) : 'a point');
    terms.likelihood.show(beta === 1 ? 'flat' : beta === 0 ? 'a point' : `width ${say(width)}`);
    terms.prior.show(sd(Math.sqrt(law.variance)), spoken(Math.sqrt(law.variance)));
    terms.mean.show(kernel ? say(kernel.mean) : say(xt));
    terms.xt.show(sayExactly(xt));
    terms.beta.show(say(beta));
    terms.beta2.show(say(beta));
    terms.score.show(tweedies ? say(tweedies.score) : '–', tweedies ? say(tweedies.score) : 'not needed');
    terms.slope.show(tweedies ? say(tweedies.slope) : '–', tweedies ? say(tweedies.slope) : 'not needed');
    terms.alpha.show(say(Math.sqrt(1 - beta)));
    terms.ratio.show(beta === 1 ? '∞' : say(beta / (1 - beta)), beta === 1 ? 'without end' : say(beta / (1 - beta)));
    terms.variance.show(kernel ? say(kernel.variance) : '0');
    const exact = kernel ? [say(kernel.mean, 5), say(kernel.variance, 5)] : [sayExactly(xt), '0'];
    const closed = tweedies ? [say(tweedies.mean, 5), tweedies.variance === null ? 'lost to rounding' : say(tweedies.variance, 5)] : beta === 1 ? ['needs α > 0', 'needs α > 0'] : [sayExactly(xt), '0'];
    cells.forEach((pair, i) => {
      setText(pair[0], exact[i]);
      setText(pair[1], closed[i]);
    });

    const peaks = kernel ? humps(kernel) : 0;
    words.show(describeReverse({ ...state, kernel, humps: peaks, fall, logDensity: logQ }));
    table.show(() => [
      ['β', sayExactly(beta)],
      ['x_t', sayExactly(xt)],
      ['noise in x_t−1', sayExactly(noise)],
      ['mean of x_t−1 given x_t', exact[0]],
      ['the same by Tweedie', closed[0]],
      ['variance of x_t−1 given x_t', exact[1]],
      ['the same by Tweedie, variance', closed[1]],
      ['score of x_t', tweedies ? say(tweedies.score, 4) : '–'],
      ['its slope', tweedies ? say(tweedies.slope, 4) : '–'],
      ['humps', String(peaks)],
      ['KL to the best Gaussian, nats', kernel ? sayKl(kernel.kl, 4) : '–'],
      ['the same at half this β', kernel ? sayKl(half, 4) : '–'],
    ]);
    kept.save();
  };

  const update = perFrame(draw);
  const resize = new ResizeObserver(() => {
    setAttribute(outer, 'data-columns', outer.clientWidth >= 560 ? '2' : '1');
    for (const figure of [start, whole, close, meter]) figure.resize();
    draw();
  });
  resize.observe(outer);
  const unfollow = followPageMath(outer);

  return () => {
    unfollow();
    run.stop();
    resize.disconnect();
    update.cancel();
    words.announce.cancel();
    kept.stop();
  };
}

// ------------------------------------------------------------------------------------------- all of it on one axis

function wholeFigure({ setX }) {
  const plot = plotBox(
    { left: 10, right: 10, top: 8, bottom: 40 },
    { class: 'plot', role: 'img', 'aria-label': 'The step back, its best Gaussian, the step forward and the law one step earlier, over x at t minus 1. The sentence and the table below give the numbers.' },
  );
  const { element: box, path } = plot;
  const axis = new Axis(box, 'x');
  const priorArea = path('prior', 'prior');
  const later = path('later', 'score');
  const likelihood = path('likelihood', 'likelihood');
  const kernelLine = path('exact', 'kernel');
  const gaussian = path('gaussian', 'gaussian');
  const spread = svg('line', { class: 'spread part part-variance', 'data-part': 'variance' });
  const middle = svg('circle', { class: 'dot part part-mean', 'data-part': 'mean', r: 3.5 });
  const arrow = path('arrow', 'score');
  const marker = svg('line', { class: 'marker' });
  const handle = svg('g', { class: 'part part-x-t', 'data-part': 'x-t' }, svg('path', { class: 'handle', d: 'M0 1L6 8V16H-6V8Z' }));
  const handleName = svg('text', { class: 'label', y: 30, 'text-anchor': 'start', 'aria-hidden': 'true' }, '');
  handleName.append(svg('tspan', { class: 'math' }, 'x'), svg('tspan', { class: 'math small', dy: 3 }, 't'));
  const floor = svg('line', { class: 'floor' });
  box.append(plot.inside, spread, middle, floor, marker, handle, handleName);
  const caption = html(
    'figcaption',
    {},
    html('b', {}, 'Where did ', sub('x', 't'), ' come from?'),
    html('span', { class: 'aside' }, 'Drag to move ', sub('x', 't'), '.'),
    html(
      'span',
      { class: 'keys' },
      key('kernel', 'exact', 'the step back'),
      key('gaussian', 'gaussian', 'best Gaussian'),
      key('likelihood', 'likelihood', 'step forward'),
      key('prior', 'prior', 'law of ', html('span', { class: 'indexed' }, italic('x'), html('sub', {}, 't−1'))),
    ),
  );
  let x = linear(-4, 4, 0, 1);
  let drawnAxis = 0;
  let drawnLaw = null;
  const follow = (at) => setX(Math.round(x.invert(at.x) * 50) / 50);
  drags(box, { start: follow, move: follow });

  return {
    caption,
    element: box,
    resize: () => {
      plot.resize();
      drawnAxis = 0;
    },
    draw: ({ law, kernel, beta, xt, lit, tweedies }) => {
      const { left, right, bottom, top } = plot;
      const reach = Math.max(Math.abs(xt), kernel ? Math.abs(kernel.mean) + 3 * kernel.sd : 0);
      const half = reach <= 4.6 ? Math.max(4, Math.abs(xt)) : niceAbove(1.1 * reach);
      x = linear(-half, half, left, right);
      const full = bottom - top - 6;
      const level = (share) => bottom - share * full;
      if (drawnAxis !== half || drawnLaw !== law) {
        const count = 160;
        const xs = law.noise > 0 ? Float64Array.from({ length: count + 1 }, (_, i) => -half + (2 * half * i) / count) : Float64Array.from({ length: 2 * law.edges.length }, (_, i) => law.edges[i >> 1]);
        const ys = law.noise > 0 ? xs.map((v) => Math.exp(logDensity(law, v))) : xs.map((_, i) => law.density[((i + 1) >> 1) - 1] || 0);
        const tallest = Math.max(...ys);
        setAttribute(priorArea, 'd', areaPath(xs.length, (i) => x(xs[i]), (i) => level((0.55 * ys[i]) / tallest), () => bottom));
        const marks = half <= 4 ? [-4, -3, -2, -1, 0, 1, 2, 3, 4] : ticks(-half, half, 6);
        axis.draw(marks.map((v) => ({ at: x(v), label: sayExactly(v), anchor: v === half ? 'end' : v === -half ? 'start' : 'middle' })), bottom, bottom + 5, bottom + 36);
        place(floor, { x1: left, x2: right, y1: bottom + 0.5, y2: bottom + 0.5 });
        [drawnAxis, drawnLaw] = [half, law];
      }
      place(marker, { x1: x(xt), x2: x(xt), y1: top, y2: bottom });
      setAttribute(handle, 'transform', `translate(${x(xt).toFixed(1)} ${bottom.toFixed(1)})`);
      place(handleName, { x: x(xt) + (x(xt) > right - 30 ? -22 : 9), y: bottom + 16 });

      const alpha = 1 - beta;
      const curve = (f, count = 240) => linePath(count + 1, (i) => x(-half + (2 * half * i) / count), (i) => level(f(-half + (2 * half * i) / count)));
      if (beta === 0) setAttribute(likelihood, 'd', '');
      else if (alpha === 0) setAttribute(likelihood, 'd', `M${left} ${level(0.7)}H${right}`);
      else {
        const [centre, width] = [xt / Math.sqrt(alpha), Math.sqrt(beta / alpha)];
        setAttribute(likelihood, 'd', linePath(121, (i) => x(centre + (i / 60 - 1) * 5 * width), (i) => level(0.7 * Math.exp(-12.5 * (i / 60 - 1) ** 2))));
      }
      setAttribute(later, 'd', '');
      setAttribute(arrow, 'd', '');
      if (lit === 'score' && tweedies) {
        const next = stepOn(law, beta);
        const ys = Array.from({ length: 161 }, (_, i) => Math.exp(logDensity(next, -half + (half * i) / 80)));
        const tallest = Math.max(...ys);
        setAttribute(later, 'd', curve((v) => (0.55 * ys[Math.round(((v + half) / half) * 80)]) / tallest, 160));
        const [tail, tip] = [x(xt), x(clamp(xt + beta * tweedies.score, [-half, half]))];
        const point = Math.sign(tip - tail) * Math.min(7, Math.abs(tip - tail));
        setAttribute(arrow, 'd', `M${tail} ${bottom - 10}H${tip}M${tip - point} ${bottom - 14}L${tip} ${bottom - 10}L${tip - point} ${bottom - 6}`);
      }
      if (!kernel) {
        setAttribute(gaussian, 'd', '');
        setAttribute(kernelLine, 'd', `M${x(xt)} ${bottom}V${level(1)}`);
        place(spread, { x1: -20, x2: -20, y1: -20, y2: -20 });
        place(middle, { cx: x(xt), cy: bottom - 10 });
        return;
      }
      // the kernel and its Gaussian on one scale of height, the others on scales of their own
      const { x: nodes, logP, mean, sd } = kernel;
      const peak = 1 / (sd * Math.sqrt(2 * Math.PI));
      let highest = peak;
      for (const value of logP) highest = Math.max(highest, Math.exp(value));
      let [from, to] = [0, nodes.length - 1];
      const visible = Math.log(highest) - 8;
      while (logP[from] < visible) from += 1;
      while (logP[to] < visible) to -= 1;
      const X = [nodes[from]];
      const P = [0];
      const apart = law.noise > 0 ? Infinity : 0.4 * (law.edges[1] - law.edges[0]);
      for (let i = from; i <= to; i++) {
        if (i > from && nodes[i] - nodes[i - 1] > apart) {
          X.push(nodes[i - 1], nodes[i]);
          P.push(0, 0);
        }
        X.push(nodes[i]);
        P.push(Math.exp(logP[i]) / highest);
      }
      X.push(nodes[to]);
      P.push(0);
      setAttribute(kernelLine, 'd', curvePath(X.length, (i) => x(X[i]), (i) => level(P[i])));
      setAttribute(gaussian, 'd', linePath(121, (i) => x(mean + (i / 60 - 1) * 5 * sd), (i) => level((peak / highest) * Math.exp(-12.5 * (i / 60 - 1) ** 2))));
      const inFrame = (v) => clamp(x(v), [left, right]);
      place(spread, { x1: inFrame(mean - sd), x2: inFrame(mean + sd), y1: bottom - 5, y2: bottom - 5 });
      place(middle, { cx: inFrame(mean), cy: bottom - 5 });
    },
  };
}

// --------------------------------------------------------------------------------------------- close up on the kernel

function closeFigure() {
  const plot = plotBox(
    { left: 10, right: 10, top: 8, bottom: 26 },
    { class: 'plot', role: 'img', 'aria-label': 'The same, magnified about the kernel, with the difference between the kernel and its best Gaussian below.' },
  );
  const { element: box, path } = plot;
  const axis = new Axis(box, 'x');
  const priorLine = path('prior', 'prior');
  const likelihood = path('likelihood', 'likelihood');
  const kernelLine = path('exact', 'kernel');
  const gaussian = path('gaussian', 'gaussian');
  const difference = path('difference', 'gaussian');
  const floor = svg('line', { class: 'floor' });
  const zero = svg('line', { class: 'floor' });
  const label = svg('text', { class: 'label', 'text-anchor': 'start', 'aria-hidden': 'true' }, '');
  box.append(plot.inside, floor, zero, label);
  const caption = html('figcaption', {}, html('b', {}, 'Close up'), html('span', { class: 'aside' }, ''));
  const note = caption.lastChild;

  return {
    caption,
    element: box,
    resize: plot.resize,
    draw: ({ law, kernel, beta, xt }) => {
      const { left, right, bottom, top } = plot;
      const base = top + 0.66 * (bottom - top); // where the densities stand; below it their difference
      const low = base + 20;
      if (!kernel) {
        for (const line of [priorLine, likelihood, gaussian, difference]) setAttribute(line, 'd', '');
        setAttribute(kernelLine, 'd', `M${(left + right) / 2} ${base}V${top}`);
        setText(note, 'a single point, however close one looks');
        setText(label, '');
        axis.draw([{ at: (left + right) / 2, label: sayExactly(xt) }], bottom, bottom + 5, bottom + 19);
        return;
      }
      const { mean, sd, alpha } = kernel;
      const reach = 4.2 * sd;
      const x = linear(mean - reach, mean + reach, left, right);
      const count = 126;
      const xs = Float64Array.from({ length: count + 1 }, (_, i) => mean - reach + (2 * reach * i) / count);
      const prior = xs.map((v) => logDensity(law, v));
      const p = xs.map((v, i) => Math.exp(prior[i] - (xt - Math.sqrt(alpha) * v) ** 2 / (2 * beta) - kernel.logTotal));
      const peak = 1 / (sd * Math.sqrt(2 * Math.PI));
      const g = xs.map((v) => peak * Math.exp(-0.5 * ((v - mean) / sd) ** 2));
      const highest = Math.max(peak, ...p);
      const at = (i) => x(xs[i]);
      const line = (values, tallest, share) => linePath(count + 1, at, (i) => base - (share * (base - top - 4) * values[i]) / tallest);
      setAttribute(kernelLine, 'd', line(p, highest, 1));
      setAttribute(gaussian, 'd', line(g, highest, 1));
      const most = Math.max(...prior);
      const q = prior.map((v) => Math.exp(v - most));
      setAttribute(priorLine, 'd', areaPath(count + 1, at, (i) => base - 0.55 * (base - top) * q[i], () => base));
      if (alpha === 0) setAttribute(likelihood, 'd', `M${left} ${base - 0.7 * (base - top)}H${right}`);
      else {
        const forward = xs.map((v) => -((xt - Math.sqrt(alpha) * v) ** 2) / (2 * beta));
        const best = Math.max(...forward);
        setAttribute(likelihood, 'd', line(forward.map((v) => Math.exp(v - best)), 1, 0.7));
      }
      // the difference, magnified by a power of ten until it can be seen
      const gap = p.map((v, i) => (v - g[i]) / peak);
      const largest = Math.max(...gap.map(Math.abs));
      const power = largest > 1e-13 ? Math.max(0, Math.ceil(-Math.log10(largest) - 0.3)) : null;
      const centre = 0.5 * (low + bottom);
      const scale = power === null ? 0 : (0.5 * (bottom - low)) / Math.max(1, largest * 10 ** power) * 10 ** power;
      setAttribute(difference, 'd', areaPath(count + 1, at, (i) => centre - scale * gap[i], () => centre));
      setText(label, power === null ? 'no difference that a float can hold' : power === 0 ? 'kernel − Gaussian' : `kernel − Gaussian, ${power < 4 ? 10 ** power : say(10 ** power, 1).replace('1×', '')} times enlarged`);
      place(label, { x: left + 2, y: low - 5 });
      place(floor, { x1: left, x2: right, y1: base + 0.5, y2: base + 0.5 });
      place(zero, { x1: left, x2: right, y1: centre + 0.5, y2: centre + 0.5 });
      const step = ticks(0, 2 * reach, 5)[1];
      const marks = [];
      for (let k = Math.ceil((mean - reach) / step); k * step <= mean + reach; k++) marks.push(k * step);
      const digits = Math.max(0, Math.ceil(-Math.log10(step) + 1e-9) + (step.toPrecision(2).replace(/[0.]/g, '').length > 1 ? 1 : 0));
      const inside = marks.filter((v) => x(v) > left + 16 && x(v) < right - 16);
      axis.draw(inside.map((v) => ({ at: x(v), label: v.toFixed(Math.min(12, digits)).replace('-', '−') })), bottom, bottom + 5, bottom + 19);
      setText(note, reach < 3 ? `magnified ${say(4 / reach, 2)} times` : '');
    },
  };
}

// ------------------------------------------------------------------------------------------- the meter, and its trace

function meterFigure({ setBeta }) {
  const plot = plotBox(
    { left: 74, right: 14, top: 10, bottom: 38 },
    { class: 'plot scrub', role: 'img', 'aria-label': 'KL divergence from the kernel to its best Gaussian against β, both on log axes, for this x at t, with a line of slope three.' },
  );
  const { element: box, path } = plot;
  const yAxis = new Axis(box, 'y');
  const xAxis = new Axis(box, 'x');
  const cube = path('limit', 'kl');
  const traceLine = path('exact', 'kl');
  const marker = svg('line', { class: 'marker' });
  const dot = svg('circle', { class: 'dot', r: 4 });
  const tube = svg('rect', { class: 'tube' });
  const fill = svg('rect', { class: 'tube-fill part part-kl', 'data-part': 'kl' });
  const cubeName = svg('text', { class: 'label', 'text-anchor': 'start', 'aria-hidden': 'true' }, '');
  const xName = svg('text', { class: 'label', 'text-anchor': 'end', 'aria-hidden': 'true' }, 'β');
  box.append(plot.inside, marker, tube, fill, dot, cubeName, xName);
  const value = html('span', { class: 'value' }, '');
  const caption = html('figcaption', {}, html('b', {}, 'KL to the best Gaussian'), value, html('span', { class: 'aside' }, 'Drag to move β.'));
  const [least, most] = [LEAST_KL, 10];
  let x = null;
  let y = null;
  const follow = (at) => setBeta(x.invert(clamp(at.x, [plot.left, plot.right])));
  drags(box, { start: follow, move: follow });

  return {
    caption,
    element: box,
    resize: () => {
      plot.resize();
      const { left, right, top, bottom } = plot;
      x = logarithmic(1e-4, 1, left, right);
      y = logarithmic(least, most, bottom, top);
      const name = (v) => (v >= 0.01 ? sayExactly(v) : say(v, 1).replace('1×', ''));
      yAxis.draw([1e-16, 1e-12, 1e-8, 1e-4, 1].map((v) => ({ at: y(v), label: name(v) })), left, right, left - 30);
      xAxis.draw([1e-4, 1e-3, 1e-2, 0.1, 1].map((v) => ({ at: x(v), label: name(v), anchor: v === 1 ? 'end' : 'middle' })), bottom, bottom + 5, bottom + 19);
      place(tube, { x: left - 22, width: 11, y: top, height: bottom - top });
      place(xName, { x: right, y: bottom + 34 });
    },
    draw: ({ kl, beta, trace }) => {
      const { left, right, top, bottom } = plot;
      const level = (v) => clamp(y(Math.max(least, v)), [top, bottom]);
      // the trace leaves the axis at the bottom where there is nothing to tell
      const points = trace.map((v, i) => [TRACE_BETAS[i], v]).filter((point) => point[1] > least);
      setAttribute(traceLine, 'd', points.length > 1 ? smoothPath(points.map(([b, v]) => [x(b), y(v)])) : '');
      const anchor = points[0];
      const steep = anchor && (x(1) - x(1e-4)) / 4;
      const drop = anchor && (bottom - top) / Math.log10(most / least);
      setAttribute(cube, 'd', anchor ? `M${x(anchor[0])} ${y(anchor[1])}L${x(anchor[0]) + 4 * steep} ${y(anchor[1]) - 12 * drop}` : '');
      setText(cubeName, anchor ? 'β³' : '');
      if (anchor) {
        const at = Math.min(2.6, (Math.log10(most) - Math.log10(anchor[1])) / 3 - 0.35);
        place(cubeName, { x: Math.min(right - 14, x(anchor[0]) + at * steep - 24), y: clamp(y(anchor[1]) - 3 * at * drop, [top + 12, bottom - 4]) });
      }
      setText(value, kl === null ? '–' : `${sayKl(kl)}${kl < least ? '' : ' nats'}`);
      const shown = kl === null ? least : kl;
      place(fill, { x: left - 22, width: 11, y: level(shown), height: bottom - level(shown) });
      const at = clamp(x(Math.max(1e-4, beta)), [left, right]);
      place(marker, { x1: at, x2: at, y1: top, y2: bottom });
      place(dot, { cx: at, cy: level(shown) });
    },
  };
}

/** A smooth path through points: a cubic between each two, with slopes from their neighbours. */
function smoothPath(points) {
  let path = `M${points[0][0].toFixed(1)} ${points[0][1].toFixed(1)}`;
  for (let i = 1; i < points.length; i++) {
    const [a, b, c, d] = [points[Math.max(0, i - 2)], points[i - 1], points[i], points[Math.min(points.length - 1, i + 1)]];
    path += `C${[b[0] + (c[0] - a[0]) / 6, b[1] + (c[1] - a[1]) / 6, c[0] - (d[0] - b[0]) / 6, c[1] - (d[1] - b[1]) / 6, c[0], c[1]].map((v) => v.toFixed(1)).join(' ')}`;
  }
  return path;
}

export default { render };
