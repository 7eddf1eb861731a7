// The step back when the start is known: both factors and their product, for an x_0, an x_t and a t that the reader moves.

import { Axis, areaPath, html, linePath, linear, logarithmic, niceAbove, perFrame, setAttribute, setText, svg, ticks } from './drawing.js';
import { chips, followPageMath, italic, lights, numbersTable, player, prose, reducedMotion, slider, sub, term } from './controls.js';
import { keepState, sentenceUnder } from './keeper.js';
import { drags, key, place, plotBox } from './plot.js';
import { LENGTHS, NOW_STOPS, POSTERIOR_LIMITS, START_STOPS, posteriorEntries, posteriorFrom } from './posterior-state.js';
import { describePosterior } from './posterior-words.js';
import { POSTERIOR_KINDS, posteriorSchedule, productAt, stretch, weightsAt } from './product.js';
import { clamp, stops } from './state.js';
import { say, sayCount, sayExactly } from './words.js';

const USUAL = { x_0: 1.5, x_t: -0.5, t: 5, T: 10, kind: 'cosine' };

/** Positions worth seeing. */
const POSITIONS = [
  { label: 'coarse steps', title: 'cosine with T = 10, t = 5', ...USUAL },
  { label: 'as sure as each other', title: 'linear, t = 2', x_0: 0.5, x_t: 0.52, t: 2, T: 1000, kind: 'linear' },
  { label: 'early', title: 'linear, t = 50', x_0: 0.5, x_t: 1, t: 50, T: 1000, kind: 'linear' },
  { label: 'late', title: 'linear, t = 500', x_0: 0.5, x_t: 1, t: 500, T: 1000, kind: 'linear' },
  { label: 'far apart', title: 'linear, t = 10', x_0: -2, x_t: 2, t: 10, T: 1000, kind: 'linear' },
  { label: 'the last step', title: 'linear, t = 1', x_0: 0.5, x_t: 0.51, t: 1, T: 1000, kind: 'linear' },
];

/** What each term does, said when it is lit. */
const MEANINGS = {
  product: 'q(x_t−1 | x_t, x_0), black: the product of the two. It is Gaussian exactly, whatever β is.',
  step: 'q(x_t | x_t−1) as a function of x_t−1, dashed: where x_t−1 must have been for the step to end at x_t.',
  jump: 'q(x_t−1 | x_0), dash-dotted: where t − 1 steps lead from x_0. On the left it is the band.',
  'x-0': 'x_0: where the chain began. Drag its mark up and down, or the foot of the dash-dotted bell.',
  'x-t': 'x_t: where the chain is. Drag its mark up and down, or the foot of the dashed bell; sideways moves t.',
  mean: 'The mean of the product: x_0 and x_t, each times its weight.',
  'on-start': 'The weight of x_0. It never stops falling as t grows; the log axis shows it.',
  'on-now': 'The weight of x_t: near 1, but never in such a way that both sum to 1, except at t = 1.',
  variance: 'The variance of the product. It depends on t alone.',
};

const INVITATION = 'Point at a term, or at a part of the figures: they answer each other.';

function render({ model, el }) {
  const state = { ...USUAL };
  const fromModel = () => {
    for (const [name, limits] of Object.entries(POSTERIOR_LIMITS)) {
      const value = model.get(name);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = clamp(value, limits);
    }
    if (POSTERIOR_KINDS.includes(model.get('kind'))) state.kind = model.get('kind');
  };
  fromModel();
  const first = { ...state }; // what Reset leads back to
  const kept = keepState({
    model,
    el,
    state,
    names: ['x_0', 'x_t', 't', 'T', 'kind'],
    fromModel,
    fromAddress: posteriorFrom,
    entries: posteriorEntries,
    settle: () => {
      state.T = Math.round(state.T);
      state.t = Math.round(clamp(state.t, [1, state.T]));
      return ['t'];
    },
    update: () => update(),
  });
  const { change } = kept;
  const setT = (t) => change({ t: Math.round(clamp(t, [1, state.T])) });
  const value = (x, name) => Number(clamp(x, POSTERIOR_LIMITS[name]).toFixed(3));

  // ------------------------------------------------------------------------------------------------------ the equation

  const before = () => html('span', { class: 'indexed' }, italic('x'), html('sub', {}, 't−1'));
  const tilde = (letter, name) => html('span', { class: 'indexed' }, html('span', { class: 'tilded', role: 'img', 'aria-label': name }, italic(letter)), html('sub', {}, 't'));
  const operator = (text) => html('span', { class: 'operator' }, text);
  const terms = {
    product: term('product', [italic('q'), '(', before(), ' | ', sub('x', 't'), ', ', sub('x', '0'), ')'], 'the step back'),
    step: term('step', [italic('q'), '(', sub('x', 't'), ' | ', before(), ')'], 'the step, seen from x at t'),
    jump: term('jump', [italic('q'), '(', before(), ' | ', sub('x', '0'), ')'], 'the jump from x at 0'),
    mean: term('mean', [tilde('μ', 'μ tilde')], 'mean of the step back'),
    onStart: term('on-start', [sub('w', '0')], 'weight of x at 0'),
    x0: term('x-0', [sub('x', '0')], 'x at 0'),
    onNow: term('on-now', [sub('w', 't')], 'weight of x at t'),
    xt: term('x-t', [sub('x', 't')], 'x at t'),
    precision: term('variance', ['1/', tilde('β', 'β tilde')], 'precision of the step back'),
    ofStep: term('step', [sub('α', 't'), '/', sub('β', 't')], 'precision of the step'),
    ofJump: term('jump', ['1/(1 − ', html('span', { class: 'indexed' }, html('span', { class: 'barred', role: 'img', 'aria-label': 'ᾱ' }, italic('α')), html('sub', {}, 't−1')), ')'], 'precision of the jump'),
  };
  const row = (label, ...parts) => html('div', { class: 'equation', role: 'group', 'aria-label': label }, ...parts);
  const equations = html(
    'div',
    { class: 'equations' },
    row('Bayes’ rule', terms.product.element, operator('∝'), terms.step.element, terms.jump.element),
    row('The mean', terms.mean.element, operator('='), terms.onStart.element, terms.x0.element, operator('+'), terms.onNow.element, terms.xt.element),
    row('The precision', terms.precision.element, operator('='), terms.ofStep.element, operator('+'), terms.ofJump.element),
  );
  const hint = html('p', { class: 'hint' }, INVITATION);

  // ------------------------------------------------------------------------------------------------------ the controls

  const startSlider = slider({ symbol: 'x_0', shown: sub('x', '0'), name: 'where it began', colour: 'x-0', stops: START_STOPS, limits: POSTERIOR_LIMITS.x_0, marks: [-3, -1, 0, 1, 3], set: (x) => change({ x_0: x }) });
  const nowSlider = slider({ symbol: 'x_t', shown: sub('x', 't'), name: 'where it is', colour: 'x-t', stops: NOW_STOPS, limits: POSTERIOR_LIMITS.x_t, marks: [-4, -2, 0, 2, 4], set: (x) => change({ x_t: x }) });
  const tSlider = slider({ symbol: 't', name: 'the step', colour: 'x-t', stops: [1, 2], limits: [1, 2], whole: true, set: setT });
  const lengthSlider = slider({
    symbol: 'T', name: 'number of steps', colour: 'x-t', stops: LENGTHS, limits: POSTERIOR_LIMITS.T, marks: [2, 10, 100, 1000], whole: true,
    set: (T) => change({ T, t: Math.round(clamp((state.t / state.T) * T, [1, T])) }),
  });
  const kinds = chips({
    label: 'Schedule',
    items: POSTERIOR_KINDS.map((name) => ({ label: name === 'constant' ? 'constant 0.01' : name, name })),
    choose: (item) => change({ kind: item.name }),
  });
  const playButton = html('button', { type: 'button', class: 'chip play', onclick: () => play(!run.playing) }, 'Play');
  const transport = html(
    'div',
    { class: 'transport', role: 'group', 'aria-label': 'Walk back to t = 1' },
    playButton,
    html('button', { type: 'button', class: 'chip', onclick: () => setT(state.t > 1 ? state.t - 1 : state.T) }, 'One back'),
    html('button', { type: 'button', class: 'chip', onclick: () => { run.set(false); change({ ...first }); } }, 'Reset'),
  );
  const positions = chips({ label: 'Look at', items: POSITIONS, choose: ({ x_0, x_t, t, T, kind }) => change({ x_0, x_t, t, T, kind }) });

  // ------------------------------------------------------------------------------------------------------- the figures

  const chain = chainFigure({ moveStart: (x) => change({ x_0: value(x, 'x_0') }), moveNow: (t, x) => change({ t: Math.round(clamp(t, [1, state.T])), x_t: value(x, 'x_t') }) });
  const bells = bellsFigure({ moveStart: (x) => change({ x_0: value(x, 'x_0') }), moveNow: (x) => change({ x_t: value(x, 'x_t') }) });
  const weights = weightsFigure({ setT });
  const words = sentenceUnder(() => kept.touched && !run.playing);
  const table = numbersTable('What the figures show now');
  const outer = html(
    'div',
    { class: 'ddpm posterior', role: 'group', 'aria-label': 'The step back when the start is known' },
    equations,
    hint,
    html('div', { class: 'controls three' }, startSlider.element, nowSlider.element, tSlider.element),
    html('div', { class: 'moves' }, transport, positions.element),
    html(
      'div',
      { class: 'figures' },
      html('figure', { class: 'chain' }, chain.caption, chain.element),
      html('figure', { class: 'bells' }, bells.caption, bells.element),
      html('figure', { class: 'weights' }, weights.caption, weights.element),
      html('div', { class: 'steps' }, kinds.element, lengthSlider.element),
    ),
    words.says,
    table.element,
    words.spoken,
  );
  el.replaceChildren(outer);

  lights(outer, (part) => hint.replaceChildren(...prose(MEANINGS[part] || INVITATION)));

  let walked = 0; // steps of the walk, as a fraction
  const run = player({
    root: outer,
    isReduced: reducedMotion,
    advance: (steps) => {
      walked += (steps * state.T) / 500; // all T steps in ten seconds
      const whole = Math.floor(walked);
      walked -= whole;
      if (whole > 0) setT(state.t - whole);
      return state.t > 1;
    },
    changed: (playing) => {
      setText(playButton, playing ? 'Pause' : 'Play');
      words.announce();
    },
  });
  const play = (on) => {
    if (on && state.t <= 1) setT(state.T);
    walked = 0;
    run.set(on);
  };

  // ---------------------------------------------------------------------------------------------------- drawing it all

  let schedule = null;
  let drawnSchedule = '';
  const draw = () => {
    const { x_0: x0, x_t: xt, t, T, kind } = state;
    if (drawnSchedule !== kind + T) {
      drawnSchedule = kind + T;
      schedule = posteriorSchedule(kind, T);
      tSlider.reshape(T === 1 ? [1, 1] : stops([1, T, 1]), [1, T], T === 1 ? [1] : [1, Math.round(T / 2), T].filter((v, i, all) => all.indexOf(v) === i));
    }
    const p = productAt(schedule, t, x0, xt);
    chain.draw({ schedule, x0, xt, t, p });
    bells.draw({ schedule, t, p });
    weights.draw({ schedule, t, p });

    startSlider.show(x0);
    nowSlider.show(xt);
    tSlider.show(t);
    lengthSlider.show(T);
    kinds.show((item) => item.name === kind);
    positions.show((s) => s.x_0 === x0 && s.x_t === xt && s.t === t && s.T === T && s.kind === kind);

    const width = (bell) => [bell.sd === 0 ? 'a point' : `sd ${say(bell.sd)}`, bell.sd === 0 ? 'a point' : `standard deviation ${say(bell.sd)}`];
    terms.product.show(...width(p));
    terms.step.show(...width(p.step));
    terms.jump.show(...width(p.jump));
    terms.mean.show(say(p.mean));
    terms.onStart.show(say(p.onStart));
    terms.x0.show(sayExactly(x0));
    terms.onNow.show(say(p.onNow));
    terms.xt.show(sayExactly(xt));
    terms.precision.show(...(p.variance === 0 ? ['∞', 'without end'] : [say(1 / p.variance)]));
    terms.ofStep.show(say(p.alpha / p.beta));
    terms.ofJump.show(...(p.jump.sd === 0 ? ['∞', 'without end'] : [say(1 / schedule.noiseShare[t - 1])]));

    words.show(describePosterior({ ...state, alphaBar: schedule.alphaBar[t - 1], p }));
    table.show(() => [
      ['x_0', sayExactly(x0)],
      ['x_t', sayExactly(xt)],
      ['t', sayCount(t)],
      ['β at t', say(p.beta, 4)],
      ['ᾱ at t − 1', say(schedule.alphaBar[t - 1], 4)],
      ['centre seen from x_t', say(p.step.centre, 4)],
      ['its standard deviation', say(p.step.sd, 4)],
      ['centre seen from x_0', say(p.jump.centre, 4)],
      ['the standard deviation of that', say(p.jump.sd, 4)],
      ['mean of the product', say(p.mean, 4)],
      ['variance of the product', say(p.variance, 4)],
      ['weight of x_0', say(p.onStart, 4)],
      ['weight of x_t', say(p.onNow, 4)],
      ['deviations apart', say(p.apart, 4)],
    ]);
    kept.save();
  };

  const update = perFrame(draw);
  const resize = new ResizeObserver(() => {
    setAttribute(outer, 'data-columns', outer.clientWidth >= 560 ? '2' : '1');
    for (const figure of [chain, bells, weights]) figure.resize();
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

/** A letter with its index, in a figure. */
function letter(text, index) {
  const element = svg('text', { class: 'label', 'aria-hidden': 'true' }, '');
  element.append(svg('tspan', { class: 'math' }, text), svg('tspan', { class: `math small${index === '0' ? ' upright' : ''}`, dy: 3 }, index));
  return element;
}

/** A mark to be dragged: what is seen, and a larger place to take hold of. */
function grip(part, shape) {
  const group = svg('g', { class: `grip part part-${part}`, 'data-part': part }, svg('circle', { class: 'hold', r: 17 }), shape);
  return { group, to: (x, y) => setAttribute(group, 'transform', `translate(${x.toFixed(1)} ${y.toFixed(1)})`) };
}

// ---------------------------------------------------------------------------------- the chain, from x_0 on the left to T

function chainFigure({ moveStart, moveNow }) {
  const plot = plotBox(
    { left: 34, right: 12, top: 8, bottom: 36 },
    { class: 'plot', role: 'img', 'aria-label': 'The value of x against the step: the band of where chains from x at 0 go, and the marks of x at 0 and x at t. The sentence and the table below give the numbers.' },
  );
  const { element: box, path } = plot;
  const yAxis = new Axis(box, 'y');
  const xAxis = new Axis(box, 'x');
  const band = path('band', 'jump');
  const middle = path('centre', 'jump');
  const marker = svg('line', { class: 'marker' });
  const spread = svg('line', { class: 'spread part part-variance', 'data-part': 'variance' });
  const meanDot = svg('circle', { class: 'dot part part-mean', 'data-part': 'mean', r: 3.5 });
  const start = grip('x-0', svg('circle', { class: 'mark-start', r: 7 }));
  const now = grip('x-t', svg('rect', { class: 'mark-now', x: -6.5, y: -6.5, width: 13, height: 13 }));
  const names = [letter('x', '0'), letter('x', 't')];
  const tName = svg('text', { class: 'label', 'text-anchor': 'end', 'aria-hidden': 'true' }, 't');
  box.append(plot.inside, marker, spread, meanDot, start.group, now.group, ...names, tName);
  const caption = html(
    'figcaption',
    {},
    html('b', {}, 'The chain about ', italic('t')),
    html('span', { class: 'aside' }, 'Drag the two marks.'),
    html('span', { class: 'keys' }, key('jump', 'band', 'where chains from ', sub('x', '0'), ' are, ±1 sd'), key('mean', 'mean', 'mean, one step back')),
  );
  let [x, y] = [null, null];
  let drawn = '';
  let held = '';
  let places = [];
  const far = ([px, py], at) => Math.hypot(px - at.x, py - at.y);
  const follow = (at) => {
    if (held === 'start') moveStart(y.invert(clamp(at.y, [plot.top, plot.bottom])));
    else moveNow(x.invert(at.x), y.invert(clamp(at.y, [plot.top, plot.bottom])));
  };
  drags(box, {
    start: (at, event) => {
      const near = far(places[0], at) < far(places[1], at) ? 'start' : 'now';
      if (event.pointerType === 'touch' && Math.min(...places.map((p) => far(p, at))) > 24) return false;
      held = near;
      follow(at);
      return true;
    },
    move: follow,
    end: () => {
      held = '';
      drawn = '';
    },
  });

  return {
    caption,
    element: box,
    resize: () => {
      plot.resize();
      drawn = '';
    },
    draw: ({ schedule, x0, xt, t, p }) => {
      const { left, right, top, bottom } = plot;
      const reach = Math.max(2.6, Math.abs(x0) + 0.4, Math.abs(xt) + 0.4, Math.abs(p.mean) + 0.2);
      // while a mark is held the axis stays, so that the mark stays under the pointer
      const half = held && y ? y.domain[1] : reach <= 4.4 ? 4.4 : niceAbove(reach);
      // of a long chain only the part about t, so that its marks do not stand on each other
      const end = held && x ? x.domain[1] : Math.min(schedule.T, niceAbove(2.2 * t));
      const wanted = `${schedule.T} ${schedule.beta[schedule.T]} ${schedule.beta[1]} ${end} ${half} ${x0} ${plot.width}`;
      if (wanted !== drawn) {
        drawn = wanted;
        x = linear(0, end, left, right);
        y = linear(-half, half, bottom, top);
        const count = Math.min(end, 100);
        const at = (i) => Math.round((i / count) * end);
        const centre = (i) => Math.sqrt(schedule.alphaBar[at(i)]) * x0;
        const sd = (i) => Math.sqrt(schedule.noiseShare[at(i)]);
        setAttribute(band, 'd', areaPath(count + 1, (i) => x(at(i)), (i) => y(centre(i) + sd(i)), (i) => y(centre(i) - sd(i))));
        setAttribute(middle, 'd', linePath(count + 1, (i) => x(at(i)), (i) => y(centre(i))));
        yAxis.draw((half <= 4.4 ? [-4, -2, 0, 2, 4] : ticks(-half, half, 5)).map((v) => ({ at: y(v), label: sayExactly(v) })), left, right, left - 6);
        const marks = end < 4 ? Array.from({ length: end + 1 }, (_, i) => i) : [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * end));
        xAxis.draw(marks.map((v) => ({ at: x(v), label: String(v), anchor: v === end ? 'end' : 'middle' })), bottom, bottom + 5, bottom + 19);
        place(tName, { x: right, y: bottom + 33 });
      }
      places = [[x(0), y(x0)], [x(t), y(xt)]];
      start.to(...places[0]);
      now.to(...places[1]);
      places.forEach(([px, py], i) => {
        const name = names[i];
        const other = places[1 - i];
        const close = Math.abs(px - other[0]) < 42 && Math.abs(py - other[1]) < 34;
        const below = close ? (py === other[1] ? i === 0 : py > other[1]) : py < top + 20;
        setAttribute(name, 'text-anchor', i === 1 && px > right - 30 ? 'end' : 'start');
        place(name, { x: px + (i === 1 && px > right - 30 ? -12 : 12), y: py + (below ? 22 : -10) });
      });
      place(marker, { x1: x(t), x2: x(t), y1: top, y2: bottom });
      place(meanDot, { cx: x(t - 1), cy: y(p.mean) });
      place(spread, { x1: x(t - 1), x2: x(t - 1), y1: y(p.mean - p.sd), y2: y(p.mean + p.sd) });
    },
  };
}

// ----------------------------------------------------------------------------------- both factors and their product

function bellsFigure({ moveStart, moveNow }) {
  const plot = plotBox(
    { left: 10, right: 10, top: 10, bottom: 42 },
    { class: 'plot', role: 'img', 'aria-label': 'Both factors and their product over x at t minus 1, each with its top at 1. The sentence and the table below give the numbers.' },
  );
  const { element: box, path } = plot;
  const axis = new Axis(box, 'x');
  const productArea = path('product-area', 'product');
  const productLine = path('exact', 'product');
  const jumpLine = path('jump', 'jump');
  const stepLine = path('step', 'step');
  const floor = svg('line', { class: 'floor' });
  const meanLine = svg('line', { class: 'mean-line part part-mean', 'data-part': 'mean' });
  const spread = svg('line', { class: 'spread part part-variance', 'data-part': 'variance' });
  const feet = [grip('jump', svg('path', { class: 'foot foot-jump', d: 'M0 1L6 8V15H-6V8Z' })), grip('step', svg('path', { class: 'foot foot-step', d: 'M0 1L6 8V15H-6V8Z' }))];
  box.append(plot.inside, floor, meanLine, spread, ...feet.map((foot) => foot.group));
  const caption = html(
    'figcaption',
    {},
    html('b', {}, 'Where was ', html('span', { class: 'indexed' }, italic('x'), html('sub', {}, 't−1')), '?'),
    html('span', { class: 'aside' }, 'Each bell has its top at 1. Drag their feet.'),
    html('span', { class: 'keys' }, key('step', 'step', 'seen from ', sub('x', 't')), key('jump', 'jump', 'seen from ', sub('x', '0')), key('product', 'product', 'product')),
  );
  let x = null;
  let scales = [1, 1]; // what a foot's place is divided by: √ᾱ_{t−1} for x_0, 1/√α_t for x_t
  let held = -1;
  const follow = (at) => {
    const v = x.invert(clamp(at.x, [plot.left, plot.right])) / scales[held];
    (held === 0 ? moveStart : moveNow)(v);
  };
  let places = [0, 0];
  drags(box, {
    start: (at, event) => {
      const near = places.map((px) => Math.abs(px - at.x));
      const nearest = near[0] < near[1] ? 0 : 1;
      if (near[nearest] > (event.pointerType === 'touch' ? 24 : 14) || at.y < plot.bottom - 14) return false;
      held = nearest;
      return true;
    },
    move: follow,
    end: () => {
      held = -1;
    },
  });

  return {
    caption,
    element: box,
    resize: () => {
      plot.resize();
    },
    draw: ({ schedule, t, p }) => {
      const { left, right, top, bottom } = plot;
      // while a foot is held the axis stays
      const [low, high] = held >= 0 && x ? x.domain : stretch(p, niceAbove);
      x = linear(low, high, left, right);
      scales = [Math.sqrt(schedule.alphaBar[t - 1]), 1 / Math.sqrt(p.alpha)];
      const level = (share) => bottom - share * (bottom - top - 4);
      const bell = ({ centre, sd }) => {
        if (sd === 0) return [`M${x(centre).toFixed(1)} ${bottom}V${level(1).toFixed(1)}`, ''];
        const from = Math.max(low, centre - 5 * sd);
        const to = Math.min(high, centre + 5 * sd);
        if (from >= to) return [`M${left} ${bottom}H${right}`, '']; // too far away to rise above the floor
        const at = (i) => from + ((to - from) * i) / 160;
        const height = (i) => level(Math.exp(-0.5 * ((at(i) - centre) / sd) ** 2));
        return [linePath(161, (i) => x(at(i)), height), areaPath(161, (i) => x(at(i)), height, () => bottom)];
      };
      setAttribute(jumpLine, 'd', bell(p.jump)[0]);
      setAttribute(stepLine, 'd', bell(p.step)[0]);
      const [line, area] = bell({ centre: p.mean, sd: p.sd });
      setAttribute(productLine, 'd', line);
      setAttribute(productArea, 'd', area);
      const inside = (v) => clamp(x(v), [left, right]);
      places = [inside(p.jump.centre), inside(p.step.centre)];
      feet.forEach((foot, i) => {
        const { centre } = i ? p.step : p.jump;
        setAttribute(foot.group, 'visibility', centre < low || centre > high ? 'hidden' : 'visible');
        foot.to(places[i], bottom);
      });
      place(floor, { x1: left, x2: right, y1: bottom + 0.5, y2: bottom + 0.5 });
      place(meanLine, { x1: inside(p.mean), x2: inside(p.mean), y1: bottom, y2: level(1) });
      place(spread, { x1: inside(p.mean - p.sd), x2: inside(p.mean + p.sd), y1: level(Math.exp(-0.5)), y2: level(Math.exp(-0.5)) });
      const marks = ticks(low, high, Math.max(3, Math.round((right - left) / 90)));
      const gap = marks.length > 1 ? marks[1] - marks[0] : 1;
      const digits = clamp(Math.ceil(-Math.log10(gap) - 1e-9) + (/[1-9][1-9]/.test(gap.toExponential(1).replace('.', '')) ? 1 : 0), [0, 9]);
      axis.draw(marks.filter((v) => x(v) > left + 12 && x(v) < right - 12).map((v) => ({ at: x(v), label: v.toFixed(digits).replace('-', '−').replace(/^−(0\.?0*)$/, '$1') })), bottom, bottom + 5, bottom + 34);
    },
  };
}

// ----------------------------------------------------------------------------------------- the weights, on a log axis

function weightsFigure({ setT }) {
  const plot = plotBox(
    { left: 52, right: 14, top: 10, bottom: 36 },
    { class: 'plot scrub', role: 'img', 'aria-label': 'The weights of x at 0 and of x at t against t, on a logarithmic axis, with t marked.' },
  );
  const { element: box, path } = plot;
  const yAxis = new Axis(box, 'y');
  const xAxis = new Axis(box, 'x');
  const nowLine = path('on-now', 'on-now');
  const startLine = path('on-start', 'on-start');
  const marker = svg('line', { class: 'marker' });
  const dots = [svg('circle', { class: 'dot', r: 3.5 }), svg('circle', { class: 'dot dot-start', r: 3.5 })];
  const names = [letter('w', 't'), letter('w', '0')];
  const tName = svg('text', { class: 'label', 'text-anchor': 'end', 'aria-hidden': 'true' }, 't');
  box.append(plot.inside, marker, ...dots, ...names, tName);
  const caption = html(
    'figcaption',
    {},
    html('b', {}, 'The weights'),
    html('span', { class: 'aside' }, 'On a logarithmic axis. Drag to move ', italic('t'), '.'),
    html('span', { class: 'keys' }, key('on-start', 'on-start', 'of ', sub('x', '0')), key('on-now', 'on-now', 'of ', sub('x', 't'))),
  );
  let [x, y] = [null, null];
  let drawn = null;
  const follow = (at) => setT(x.invert(at.x));
  drags(box, { start: follow, move: follow });

  return {
    caption,
    element: box,
    resize: () => {
      plot.resize();
      drawn = null;
    },
    draw: ({ schedule, t, p }) => {
      const { left, right, top, bottom } = plot;
      if (drawn !== schedule) {
        drawn = schedule;
        const { T } = schedule;
        x = linear(Math.min(1, T - 1), T, left, right);
        // every t at both ends, wider apart between them
        const times = [];
        for (let s = 1; s < T; s += Math.max(1, Math.round(0.06 * Math.min(s, T - s)))) times.push(s);
        times.push(T);
        const all = times.map((s) => weightsAt(schedule, s));
        const least = Math.min(0.1, ...all.flatMap((w) => [w.onStart, w.onNow]).filter((w) => w > 0));
        const low = Math.max(-8, Math.floor(Math.log10(least)));
        y = logarithmic(10 ** low, 1.6, bottom, top);
        const line = (name) => {
          const shown = times.map((s, i) => [s, all[i][name]]).filter(([, w]) => w > 0);
          return linePath(shown.length, (i) => x(shown[i][0]), (i) => y(shown[i][1]));
        };
        setAttribute(startLine, 'd', line('onStart'));
        setAttribute(nowLine, 'd', line('onNow'));
        const step = low < -5 ? 2 : 1;
        const marks = [];
        for (let e = 0; e >= low; e -= step) marks.push(10 ** e);
        yAxis.draw(marks.map((v) => ({ at: y(v), label: v >= 0.01 ? sayExactly(v) : say(v, 1).replace('1×', '') })), left, right, left - 6);
        const steps = T < 4 ? Array.from({ length: T }, (_, i) => i + 1) : [1, Math.round(T / 4), Math.round(T / 2), Math.round((3 * T) / 4), T];
        xAxis.draw(steps.map((v) => ({ at: x(v), label: String(v), anchor: v === T && T > 1 ? 'end' : 'middle' })), bottom, bottom + 5, bottom + 19);
        place(tName, { x: right, y: bottom + 33 });
        // the names stand where the lines are far apart, between them if there is room
        const heights = all.map((w) => [clamp(y(w.onNow), [top, bottom]), clamp(y(w.onStart), [top, bottom])]);
        let best = times.length - 1;
        times.forEach((time, i) => {
          const gap = (k) => Math.abs(heights[k][0] - heights[k][1]);
          if (time > 0.3 * T && time < 0.9 * T && (best === times.length - 1 || gap(i) > gap(best) + 1)) best = i;
        });
        const upper = heights[best][0] < heights[best][1] ? 0 : 1;
        const room = Math.abs(heights[best][0] - heights[best][1]) > 48;
        setAttribute(names[0], 'text-anchor', T === 1 ? 'end' : 'start');
        setAttribute(names[1], 'text-anchor', T === 1 ? 'end' : 'start');
        names.forEach((name, i) => place(name, { x: x(times[best]) + (T === 1 ? -8 : 0), y: clamp(heights[best][i] + ((i === upper) === room ? 17 : -8), [top + 10, bottom - 5]) }));
      }
      const at = x(t);
      place(marker, { x1: at, x2: at, y1: top, y2: bottom });
      [p.onNow, p.onStart].forEach((w, i) => place(dots[i], { cx: at, cy: clamp(y(w), [top, bottom]) }));
    },
  };
}

export default { render };
