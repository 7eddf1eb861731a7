// The whole algorithm in the page: particles walk back from N(0, 1) to the reader's histogram, with the exact score.

import { barsFigure } from './bars.js';
import { Axis, areaPath, html, linePath, linear, logarithmic, setAttribute, setText, svg, ticks } from './drawing.js';
import { chips, followPageMath, italic, lights, numbersTable, prose, root, slider, sub, term, walkPlayer } from './controls.js';
import { countInto, makeHistogram } from './histogram.js';
import { keepState, sentenceUnder } from './keeper.js';
import { logDensity } from './noisy-bars.js';
import { normalPdf } from './normal.js';
import { drags, key, place, plotBox } from './plot.js';
import { FRESH, PARTICLE_STOPS, SAMPLER_KINDS, SAMPLER_LIMITS, STEP_STOPS, samplerEntries, samplerFrom } from './sampler-state.js';
import { describeSampler } from './sampler-words.js';
import { RANGE, STARTS, sameHeights, startNamed, validHeights } from './starts.js';
import { stage } from './stage.js';
import { clamp, stops } from './state.js';
import { binnedDistance, distanceSpread, expectedDistance, noiseOf, planWalk, stepBack, walkBack } from './walking-back.js';
import { say, sayCount, sayExactly } from './words.js';

const USUAL = { T: 100, t: 0, particles: 500, kind: 'linear', noise: 'beta', seed: 1 };
const REACH = [-4, 4];
const SIDE = 50; // pixels kept free beside the walks and the bars, so that they share their x
const SHOWN = 48; // walks that are drawn
const SLICE = 2; // milliseconds of walking in one idle moment
const TRIED = [1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000]; // T of the curve that is filled in when all else is done

const MEANINGS = {
  'x-t': 'x_t: where the marked particle stands before the step, and x_t−1 where after it. Point at another walk to mark that one.',
  epsilon: 'ε̂: the noise that the best model sees in x_t. Here it needs no network. Taken out of x_t it leaves x̂, where the dashed line ends.',
  score: 's_t: the slope of the log of the law of x_t at the particle. It points towards more likely values, and so to the end of the dashed line.',
  sigma: 'σ_t z: the fresh noise that a step adds, none in the last. The bar spans one σ_t to each side of where the step would end without it.',
  'x-0': 'x̂: the data that the model sees behind x_t, where the dashed line ends.',
  normal: 'N(0, 1), where every walk begins.',
  law: 'The exact law of x_t: your histogram, shrunk and blurred.',
  particles: 'The particles at t, counted.',
  distance: 'Total variation between the particles at the end and the histogram, counted on its bars.',
};

const INVITATION = 'Point at a term, a walk or a part of the figures: they answer each other.';

function render({ model, el }) {
  const state = { ...USUAL, histogram: STARTS['two humps'] };
  const fromModel = () => {
    for (const [name, limits] of Object.entries(SAMPLER_LIMITS)) {
      const value = model.get(name);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = Math.round(clamp(value, limits));
    }
    if (SAMPLER_KINDS.includes(model.get('kind'))) state.kind = model.get('kind');
    if (FRESH.includes(model.get('noise'))) state.noise = model.get('noise');
    const heights = model.get('histogram');
    if (validHeights(heights) && !sameHeights(heights, state.histogram)) state.histogram = heights.slice();
  };
  const kept = keepState({
    model,
    el,
    state,
    names: [...Object.keys(SAMPLER_LIMITS), 'kind', 'noise', 'histogram'],
    fromModel,
    fromAddress: samplerFrom,
    entries: samplerEntries,
    settle: () => {
      state.t = Math.min(state.t, state.T);
      return ['t'];
    },
    update: () => update(),
  });
  const { change } = kept;
  const setT = (t) => change({ t: Math.round(clamp(t, [0, state.T])) });

  // ------------------------------------------------------------------------------------------------------ the equation

  const before = () => html('span', { class: 'indexed' }, italic('x'), html('sub', {}, 't−1'));
  const operator = (text) => html('span', { class: 'operator' }, text);
  const hat = () => html('span', { class: 'indexed' }, html('span', { class: 'hat' }, italic('x')), html('sub', { class: 'upright' }, '0'));
  const bar = (index = 't') => sub('ᾱ', index);
  const best = () => html('span', { class: 'indexed' }, html('span', { class: 'hat' }, italic('ε')), html('sub', {}, 't'));
  const star = (text) => term('epsilon', [best()], text);
  const terms = {
    next: term('x-t', [before()], 'x at t minus 1'),
    xt: term('x-t', [sub('x', 't')], 'x at t'),
    scale: term('alpha', [root(sub('α', 't'))], 'square root of α'),
    weight: term('beta', [sub('β', 't'), ' / ', root('1 − ', bar())], 'weight of the noise'),
    eps: star('best guess of the noise'),
    sigma: term('sigma', [sub('σ', 't')], 'σ at t'),
    z: term('sigma', [italic('z')], 'fresh noise'),
    next2: term('x-t', [before()], 'x at t minus 1'),
    signal: term('alpha', [root(bar('t−1'))], 'square root of ᾱ at t minus 1'),
    guess: term('x-0', [hat()], 'the data seen behind x at t'),
    rest: term('epsilon', [root('1 − ', bar('t−1'))], 'square root of 1 minus ᾱ at t minus 1'),
    eps2: star('best guess of the noise'),
    eps3: star('best guess of the noise'),
    share: term('epsilon', ['−', root('1 − ', bar())], 'minus the square root of 1 minus ᾱ'),
    score: term('score', [sub('s', 't'), '(', sub('x', 't'), ')'], 'score of x at t'),
  };
  const stepName = html('span', { class: 'equation-name' }, '');
  const ancestral = html(
    'div',
    { class: 'equation', role: 'group', 'aria-label': 'One step back' },
    terms.next.element, operator('= ('), terms.xt.element, operator('−'), terms.weight.element, terms.eps.element, operator(') /'), terms.scale.element,
    html('span', { class: 'together' }, operator('+'), terms.sigma.element, terms.z.element),
  );
  const ddim = html(
    'div',
    { class: 'equation', role: 'group', 'aria-label': 'One step back without noise' },
    terms.next2.element, operator('='), terms.signal.element, terms.guess.element, operator('+'), terms.rest.element, terms.eps2.element,
  );
  const scoreRow = html('div', { class: 'equation', role: 'group', 'aria-label': 'The best guess of the noise' }, terms.eps3.element, operator('='), terms.share.element, terms.score.element);
  const hint = html('p', { class: 'hint' }, INVITATION);

  // ------------------------------------------------------------------------------------------------------ the controls

  const lengthSlider = slider({ symbol: 'T', name: 'number of steps', colour: 'x-t', stops: STEP_STOPS, limits: SAMPLER_LIMITS.T, marks: [1, 10, 100, 1000], whole: true, set: (T) => change({ T, t: Math.round((state.t / state.T) * T) }) });
  const tSlider = slider({ symbol: 't', name: 'where the walk stands', colour: 'x-t', stops: [0, 1], limits: [0, 1], whole: true, set: setT });
  const countSlider = slider({ symbol: 'N', name: 'particles', colour: 'x-t', stops: PARTICLE_STOPS, limits: SAMPLER_LIMITS.particles, marks: [100, 500, 1000, 2000], whole: true, set: (particles) => change({ particles }) });
  const playButton = html('button', { type: 'button', class: 'chip play', onclick: () => play(!run.playing) }, 'Play');
  const transport = html(
    'div',
    { class: 'transport', role: 'group', 'aria-label': 'Walk back' },
    playButton,
    html('button', { type: 'button', class: 'chip', onclick: () => (state.t > 0 ? setT(state.t - 1) : setT(state.T)) }, 'Step'),
    html('button', { type: 'button', class: 'chip', onclick: () => { run.set(false); setT(state.t === state.T ? 0 : state.T); } }, 'Reset'),
    html('button', { type: 'button', class: 'chip', onclick: () => change({ seed: state.seed >= SAMPLER_LIMITS.seed[1] ? 0 : state.seed + 1 }) }, 'New noise'),
    html('button', { type: 'button', class: 'chip', onclick: () => mark((marked + 1) % Math.min(SHOWN, size.particles)) }, 'Mark another'),
  );
  const kinds = chips({ label: 'Schedule', items: SAMPLER_KINDS.map((name) => ({ label: name, name })), choose: (item) => change({ kind: item.name }) });
  const fresh = chips({
    label: 'A step adds',
    items: [
      { label: 'σ² = β', name: 'beta', title: 'Ancestral sampling with variance β' },
      { label: 'σ² = β̃', name: 'beta_tilde', title: 'Ancestral sampling with variance β̃' },
      { label: 'nothing (DDIM)', name: 'none', title: 'DDIM with η = 0' },
    ],
    choose: (item) => change({ noise: item.name }),
  });
  const starts = chips({
    label: 'Walk to',
    items: Object.keys(STARTS).map((name) => ({ label: name.replace('standard ', ''), name, title: name })),
    choose: (item) => change({ histogram: STARTS[item.name].slice() }),
  });

  // ------------------------------------------------------------------------------------------------------- the figures

  let marked = 0;
  const mark = (particle) => {
    if (particle === marked) return;
    marked = particle;
    update();
  };
  const walks = walksFigure({ setT, mark });
  const bars = barsFigure({ title: ['The data, ', sub('x', '0')], change, state, axis: REACH, side: SIDE, head: 44 });
  const landed = svg('path', { class: 'landed part part-particles', 'data-part': 'particles' });
  bars.element.append(landed);
  const law = lawFigure();
  const steps = stepsFigure();
  const gauge = (name) => {
    const fill = html('span', { class: 'gauge-fill part part-distance', 'data-part': 'distance' });
    const value = html('td', {}, '');
    return { row: html('tr', {}, html('th', { scope: 'row' }, name), html('td', { class: 'gauge', 'aria-hidden': 'true' }, fill), value), fill, value };
  };
  const gauges = { own: gauge('these particles'), floor: gauge('true draws, on average') };
  const meter = html('table', { class: 'reading gauges' }, html('caption', {}, 'Total variation to the histogram'), html('tbody', {}, gauges.own.row, gauges.floor.row));
  const words = sentenceUnder(() => kept.touched && !run.playing);
  const table = numbersTable('What the figures show now');
  const outer = html(
    'div',
    { class: 'ddpm sampler', role: 'group', 'aria-label': 'Walking back in one dimension' },
    html('div', { class: 'equations' }, stepName, ancestral, ddim, scoreRow),
    hint,
    html('div', { class: 'controls three' }, tSlider.element, lengthSlider.element, countSlider.element),
    html('div', { class: 'moves' }, transport, kinds.element, fresh.element),
    html(
      'div',
      { class: 'figures' },
      html('figure', { class: 'walks' }, walks.caption, walks.element),
      html('figure', { class: 'start' }, bars.caption, bars.element, starts.element),
      html('figure', { class: 'law' }, law.caption, law.element, meter),
      html('figure', { class: 'tries' }, steps.caption, steps.element),
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

  const { run, play } = walkPlayer({ root: outer, state, setT, playButton, announce: words.announce });

  // --------------------------------------------------------------------------------------------------------- the walks

  let histogram = null;
  let heightsDrawn = null;
  let plan = null;
  let paths = []; // each particle's x_0 … x_T
  let size = { T: 0, particles: 0 };
  let seed = NaN;
  let next = 0; // the first particle whose walk is not up to date
  let done = 0; // particles that have a walk, up to date or not
  let version = 0; // counts changes of what is drawn
  const tries = new Map(); // T → distance at the end, for the schedule and noise that are set
  let attempt = null; // a walk for the curve of T, under way

  const prepare = () => {
    if (heightsDrawn !== state.histogram) {
      if (heightsDrawn === null || !sameHeights(heightsDrawn, state.histogram)) histogram = makeHistogram(state.histogram, ...RANGE);
      heightsDrawn = state.histogram;
    }
    const { T, particles, kind, noise } = state;
    const anew = !plan || plan.histogram !== histogram || plan.kind !== kind || plan.fresh !== noise || seed !== state.seed;
    if (anew || size.particles !== particles) {
      tries.clear();
      attempt = null;
    }
    if (!anew && size.T === T && size.particles === particles) return;
    if (anew || size.T !== T) {
      plan = { ...planWalk(histogram, kind, T, noise), kind };
      next = 0;
    }
    if (size.T !== T) done = 0;
    done = Math.min(done, particles);
    next = Math.min(next, particles);
    size = { T, particles };
    seed = state.seed;
    marked = Math.min(marked, particles - 1);
    version += 1;
  };

  /** Walks for some milliseconds; true when there is more to do. */
  const work = (milliseconds) => {
    const until = performance.now() + milliseconds;
    const { T, particles } = size;
    while (next < particles) {
      if (!paths[next] || paths[next].length !== T + 1) paths[next] = new Float64Array(T + 1);
      walkBack(plan, noiseOf(plan, seed, next), paths[next]);
      next += 1;
      done = Math.max(done, next);
      if (next <= SHOWN || next === particles) version += 1;
      if (performance.now() > until) return true;
    }
    if (!tries.has(T)) tries.set(T, distanceOf((i) => paths[i][0], particles));
    // then the same for other T, so that the curve shows what more or fewer steps would give
    while (performance.now() < until) {
      if (!attempt) {
        const other = TRIED.find((candidate) => !tries.has(candidate) && candidate * particles <= 3e5);
        if (other === undefined) return false;
        attempt = { T: other, plan: planWalk(histogram, state.kind, other, state.noise), ends: new Float64Array(particles), next: 0, path: new Float64Array(other + 1) };
      }
      walkBack(attempt.plan, noiseOf(attempt.plan, seed, attempt.next), attempt.path);
      attempt.ends[attempt.next] = attempt.path[0];
      attempt.next += 1;
      if (attempt.next === particles) {
        const { ends } = attempt;
        tries.set(attempt.T, distanceOf((i) => ends[i], particles));
        attempt = null;
      }
    }
    return true;
  };

  const distanceOf = (endOf, particles) => binnedDistance(histogram, countInto(new Float64Array(histogram.count), Array.from({ length: particles }, (_, i) => endOf(i)), ...RANGE), particles);

  const momentsOf = (t) => {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < done; i++) sum += paths[i][t];
    const mean = sum / done;
    for (let i = 0; i < done; i++) squares += (paths[i][t] - mean) ** 2;
    return { mean, sd: Math.sqrt(squares / done) };
  };

  // ---------------------------------------------------------------------------------------------------- drawing it all

  let shapedFor = 0;
  let finished = false;
  let coloured = false;
  let drawTries = () => {};
  const draw = (visible) => {
    if (!coloured) walks.recolour();
    coloured = true;
    prepare();
    const more = visible && work(0.2);
    const { T, t, particles } = state;
    finished = next === particles && tries.has(T);
    const distance = finished ? tries.get(T) : null;
    const floor = expectedDistance(histogram, particles);
    if (shapedFor !== T) {
      shapedFor = T;
      tSlider.reshape(stops([0, T, 1]), [0, T], [0, Math.round(T / 2), T].filter((v, i, all) => all.indexOf(v) === i));
    }
    const xs = new Float64Array(done);
    for (let i = 0; i < done; i++) xs[i] = paths[i][t];
    bars.draw(state, histogram);
    setAttribute(landed, 'd', t === 0 && done > 0 ? landedPath(xs) : '');
    walks.draw({ T, t, paths, done, marked, version, step: markedStep() });
    law.draw({ law: t > 0 ? plan.law(t) : null, histogram, xs, t });
    drawTries = () => steps.draw({ tries, T, floor, distance });
    drawTries();

    lengthSlider.show(T);
    countSlider.show(particles);
    tSlider.show(t);
    kinds.show((item) => item.name === state.kind);
    fresh.show((item) => item.name === state.noise);
    const name = startNamed(state.histogram);
    starts.show((item) => item.name === name);

    const widest = Math.max(0.25, 1.1 * floor, distance || 0);
    gauges.own.fill.style.width = `${(100 * (distance || 0)) / widest}%`;
    gauges.floor.fill.style.width = `${(100 * floor) / widest}%`;
    setText(gauges.own.value, distance === null ? '…' : say(distance));
    setText(gauges.floor.value, say(floor));

    const [mean, sd] = [histogram.mean, Math.sqrt(histogram.variance)];
    const at = done > 0 ? momentsOf(t) : null;
    const end = finished ? momentsOf(0) : null;
    words.show(describeSampler({ ...state, done, distance, floor, spread: distanceSpread(histogram, particles), mean, sd, at, end }));
    table.show(() => [
      ['T', sayCount(T)],
      ['t', sayCount(t)],
      ['particles', sayCount(particles)],
      ['walked so far', sayCount(next)],
      ['seed', sayCount(state.seed)],
      ['ᾱ_T', say(plan.schedule.alphaBar[T])],
      ['mean of the particles at t', at ? say(at.mean) : '–'],
      ['their standard deviation', at ? say(at.sd) : '–'],
      ['mean of the histogram', say(mean)],
      ['its standard deviation', say(sd)],
      ['total variation at the end', distance === null ? '–' : say(distance)],
      ['the same for true draws, on average', say(floor)],
    ]);
    kept.save();
    return more;
  };

  /** The particles' ends, counted on the bars and drawn over them, at the same area. */
  const landedPath = (xs) => {
    const counts = countInto(new Float64Array(histogram.count), xs, ...RANGE);
    const top = Math.max(...histogram.mass);
    let path = `M${bars.place(RANGE[0], 0).map((v) => v.toFixed(1)).join(' ')}`;
    for (let k = 0; k < histogram.count; k++) {
      const [right, level] = bars.place(RANGE[0] + (k + 1) * histogram.width, counts[k] / xs.length / top);
      path += `V${Math.max(2, level).toFixed(1)}H${right.toFixed(1)}`;
    }
    return `${path}V${bars.place(0, 0)[1].toFixed(1)}`;
  };

  /** The marked particle's step that ends at t (at t = T: that begins there), its numbers shown in the equation. */
  const markedStep = () => {
    const { T, noise } = state;
    const now = Math.min(T, state.t + 1);
    ancestral.hidden = noise === 'none';
    ddim.hidden = noise !== 'none';
    setText(stepName, `the marked particle’s step from t = ${sayCount(now)}`);
    if (done <= marked) return null;
    const { schedule } = plan;
    const x = paths[marked][now];
    const z = now > 1 && noise !== 'none' ? noiseOf(plan, seed, marked)[T - now + 1] : 0;
    const step = stepBack(plan, now, x, z);
    for (const name of ['next', 'next2']) terms[name].show(say(step.x));
    terms.xt.show(say(x));
    terms.scale.show(say(Math.sqrt(1 - schedule.beta[now])));
    terms.weight.show(say(schedule.beta[now] / Math.sqrt(schedule.noiseShare[now])));
    for (const name of ['eps', 'eps2', 'eps3']) terms[name].show(say(step.eps));
    terms.sigma.show(say(step.sigma));
    terms.z.show(say(z));
    terms.signal.show(say(Math.sqrt(schedule.alphaBar[now - 1])));
    terms.guess.show(say(step.guess));
    terms.rest.show(say(Math.sqrt(schedule.noiseShare[now - 1])));
    terms.share.show(say(-Math.sqrt(schedule.noiseShare[now])));
    terms.score.show(say(-step.eps / Math.sqrt(schedule.noiseShare[now])));
    return { ...step, t: now, from: x };
  };

  // the walking goes on when nothing else happens; what it found is drawn at its milestones
  const { update, stop } = stage(outer, [walks, bars, law, steps], draw, (late) => {
    const [drawnTo, triesBefore] = [Math.min(next, SHOWN), tries.size];
    const more = work(SLICE);
    const ended = next === size.particles;
    if ((ended && !finished) || (drawnTo < SHOWN && next >= SHOWN) || (!ended && late)) update();
    else if (tries.size > triesBefore) drawTries();
    return more;
  });
  // the canvas takes its colours from the page's theme
  const recolour = () => {
    walks.recolour();
    update();
  };
  const theme = new MutationObserver(recolour);
  for (const element of [document.documentElement, document.body]) theme.observe(element, { attributes: true, attributeFilter: ['data-theme', 'theme', 'class', 'data-jp-theme-light'] });
  const scheme = window.matchMedia('(prefers-color-scheme: dark)');
  scheme.addEventListener('change', recolour);
  const unfollow = followPageMath(outer);

  return () => {
    unfollow();
    run.stop();
    stop();
    theme.disconnect();
    scheme.removeEventListener('change', recolour);
    words.announce.cancel();
    kept.stop();
  };
}

// ------------------------------------------------------------------------------------- the walks: time downwards, x across

function walksFigure({ setT, mark }) {
  const canvas = html('canvas', { class: 'part part-x-t', 'aria-hidden': 'true' });
  const plot = plotBox(
    { left: SIDE, right: SIDE, top: 46, bottom: 6 },
    { class: 'plot scrub', role: 'img', 'aria-label': 'Walks of some particles, time running down from T to 0, x across. The sentence and the table below give the numbers.' },
  );
  const box = plot.element;
  const yAxis = new Axis(box, 'y');
  const source = svg('path', { class: 'normal part part-normal', 'data-part': 'normal' });
  const own = plot.path('marked', 'x-t');
  const guess = plot.path('guess ghost', 'x-0');
  const kick = plot.path('kick ghost', 'sigma');
  const marker = svg('line', { class: 'marker' });
  const handle = svg('path', { class: 'handle', d: 'M0 0L-7 -6H-15V6H-7Z' });
  const dots = svg('path', { class: 'dots' });
  const ownDot = svg('circle', { class: 'dot part-x-t', r: 4.5 });
  const name = svg('text', { class: 'label', 'text-anchor': 'middle', 'aria-hidden': 'true' }, 'N(0, 1)');
  box.append(plot.inside, source, marker, dots, ownDot, handle, name);
  const element = html('div', { class: 'walks-place' }, canvas, box);
  const caption = html('figcaption', {}, html('b', {}, 'The walk back'), html('span', { class: 'aside' }, `${SHOWN} of the walks. Drag up or down to move t; point at a walk to mark it.`));
  const pen = canvas.getContext('2d');
  let x = linear(...REACH, 0, 1);
  let y = linear(1, 0, 0, 1);
  let last = {};
  let colour = '';

  const nearest = (at) => {
    const { T, paths, done } = last;
    const t = Math.round(clamp(y.invert(at.y), [0, T]));
    let found = -1;
    let least = 18;
    for (let i = 0; i < Math.min(SHOWN, done); i++) {
      const away = Math.abs(x(paths[i][t]) - at.x);
      if (away < least) [found, least] = [i, away];
    }
    return { particle: found, t };
  };
  const markNearest = (at) => {
    if (!last.paths || at.y < plot.top) return;
    const { particle, t } = nearest(at);
    if (particle >= 0 && t >= last.t) mark(particle);
  };
  drags(box, {
    start: (at, event) => {
      // a finger on the walks marks one and may scroll the page; on the strip at the left it moves t
      if (event.pointerType === 'touch' && at.x > SIDE + 24) {
        markNearest(at);
        return false;
      }
      setT(y.invert(at.y));
      return true;
    },
    move: (at) => setT(y.invert(at.y)),
    hover: markNearest,
  });
  box.append(svg('rect', { class: 'grip', x: 0, y: 0, width: SIDE + 24, height: '100%' }));

  return {
    caption,
    element,
    recolour: () => {
      colour = getComputedStyle(box).getPropertyValue('--x-t');
      last = {};
    },
    resize: () => {
      plot.resize();
      const ratio = window.devicePixelRatio || 1;
      [canvas.width, canvas.height] = [Math.round(plot.width * ratio), Math.round(plot.height * ratio)];
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      x = linear(...REACH, plot.left, plot.right);
      setAttribute(source, 'd', linePath(121, (i) => x(-4 + i / 15), (i) => plot.top - 40 * 2.5 * normalPdf(-4 + i / 15)));
      place(name, { x: x(2.3), y: plot.top - 14 });
      last = {};
    },
    draw: (now) => {
      const { T, t, paths, done, marked, version } = now;
      const { left, right, top, bottom } = plot;
      if (last.T !== T) {
        y = linear(T, 0, top, bottom);
        yAxis.draw([T, 0.75 * T, 0.5 * T, 0.25 * T, 0].map(Math.round).filter((v, i, all) => all.indexOf(v) === i).map((v) => ({ at: y(v), label: sayCount(v) })), left, right, left - 20);
      }
      // each path through at most some 120 of its points, the walked part alone
      const every = Math.max(1, Math.round(T / 120));
      const times = [];
      for (let s = T; s > t; s -= every) times.push(s);
      times.push(t);
      const shown = Math.min(SHOWN, done);
      if (last.version !== version || last.t !== t || last.T !== T) {
        pen.clearRect(0, 0, plot.width, plot.height);
        pen.strokeStyle = colour;
        pen.lineWidth = 1;
        pen.lineJoin = 'round';
        pen.globalAlpha = 0.28;
        pen.save();
        pen.beginPath();
        pen.rect(left, 0, right - left, bottom + 1);
        pen.clip();
        for (let i = 0; i < shown; i++) {
          pen.beginPath();
          for (const s of times) pen.lineTo(x(paths[i][s]), y(s));
          pen.stroke();
        }
        pen.restore();
      }
      const inFrame = (v) => clamp(x(v), [left, right]);
      let spots = '';
      for (let i = 0; i < shown; i++) spots += `M${inFrame(paths[i][t]).toFixed(1)} ${y(t).toFixed(1)}h0`;
      setAttribute(dots, 'd', spots);
      place(marker, { x1: left, x2: right, y1: y(t), y2: y(t) });
      setAttribute(handle, 'transform', `translate(${left - 1} ${y(t).toFixed(1)})`);
      if (marked < done) {
        setAttribute(own, 'd', linePath(times.length, (k) => x(paths[marked][times[k]]), (k) => y(times[k])));
        place(ownDot, { cx: inFrame(paths[marked][t]), cy: y(t) });
      } else setAttribute(own, 'd', '');
      const { step } = now;
      setAttribute(guess, 'd', step ? `M${x(step.from).toFixed(1)} ${y(step.t).toFixed(1)}L${inFrame(step.guess).toFixed(1)} ${y(0).toFixed(1)}` : '');
      setAttribute(kick, 'd', step ? `M${x(step.mean - step.sigma).toFixed(1)} ${y(step.t - 1).toFixed(1)}H${x(step.mean + step.sigma).toFixed(1)}` : '');
      last = now;
    },
  };
}

// ------------------------------------------------------------------------------------------------------ the law at t

function lawFigure() {
  const plot = plotBox({ left: 36, right: 10, top: 10, bottom: 26 }, { class: 'plot', role: 'img', 'aria-label': 'The particles at t, counted, with the exact law of x at t and N(0, 1).' });
  const { element: box, path } = plot;
  const xAxis = new Axis(box, 'x');
  const yAxis = new Axis(box, 'y');
  const counted = path('particles', 'particles');
  const target = path('normal', 'normal');
  const exact = path('exact', 'law');
  const floor = svg('line', { class: 'floor' });
  box.append(plot.inside, floor);
  const title = html('span', {}, '');
  const caption = html(
    'figcaption',
    {},
    html('b', {}, 'The law of ', sub('x', 't'), title),
    html('span', { class: 'keys' }, key('law', 'exact', 'exact'), key('particles', 'particles', 'particles'), key('normal', 'normal', 'N(0, 1)')),
  );
  let x = linear(...REACH, 0, 1);

  return {
    caption,
    element: box,
    resize: () => {
      plot.resize();
      x = linear(...REACH, plot.left, plot.right);
      xAxis.draw([-4, -2, 0, 2, 4].map((v) => ({ at: x(v), label: sayExactly(v), anchor: v === 4 ? 'end' : v === -4 ? 'start' : 'middle' })), plot.bottom, plot.bottom + 5, plot.bottom + 19);
      place(floor, { x1: plot.left, x2: plot.right, y1: plot.bottom + 0.5, y2: plot.bottom + 0.5 });
    },
    draw: ({ law, histogram, xs, t }) => {
      const { left, right, top, bottom } = plot;
      let X;
      let P;
      if (law) {
        X = Float64Array.from({ length: 161 }, (_, i) => -4 + i / 20);
        P = X.map((v) => Math.exp(logDensity(law, v)));
      } else {
        // the histogram itself, with its corners
        const { low, width, mass, count } = histogram;
        X = Float64Array.from({ length: 2 * count + 2 }, (_, i) => low + width * (i >> 1));
        P = X.map((_, i) => (mass[((i + 1) >> 1) - 1] || 0) / width);
      }
      const peak = Math.max(...P);
      const high = [0.5, 0.75, 1, 1.5, 2, 3, 4, 6].find((v) => v >= 1.08 * peak) || 8;
      const y = linear(0, high, bottom, top);
      yAxis.draw(ticks(0, high, 3).filter((v) => v > 0).map((v) => ({ at: y(v), label: sayExactly(v) })), left, right, left - 5);
      setAttribute(exact, 'd', linePath(X.length, (i) => x(X[i]), (i) => y(P[i])));
      setAttribute(target, 'd', linePath(121, (i) => x(-4 + i / 15), (i) => y(normalPdf(-4 + i / 15))));
      const { width } = histogram;
      const beyond = Math.ceil((REACH[1] - RANGE[1]) / width);
      const start = RANGE[0] - beyond * width;
      const counts = countInto(new Float64Array(histogram.count + 2 * beyond), xs, start, start + width * (histogram.count + 2 * beyond));
      const at = (i) => start + width * (i >> 1);
      const level = (i) => (counts[((i + 1) >> 1) - 1] || 0) / Math.max(1, xs.length) / width;
      setAttribute(counted, 'd', areaPath(2 * counts.length + 2, (i) => x(at(i)), (i) => Math.max(-50, y(level(i))), () => bottom));
      setText(title, ` at t = ${sayCount(t)}`);
    },
  };
}

// ------------------------------------------------------------------------------------ what other numbers of steps give

function stepsFigure() {
  const plot = plotBox({ left: 44, right: 14, top: 10, bottom: 38 }, { class: 'plot', role: 'img', 'aria-label': 'Total variation at the end against the number of steps T, on log axes, with its average for true draws.' });
  const { element: box, path } = plot;
  const xAxis = new Axis(box, 'x');
  const yAxis = new Axis(box, 'y');
  const line = path('exact', 'distance');
  const level = path('limit', 'distance');
  const points = svg('path', { class: 'tried' });
  const dot = svg('circle', { class: 'dot', r: 4.5 });
  const floorName = svg('text', { class: 'label', 'text-anchor': 'end', 'aria-hidden': 'true' }, 'true draws');
  const xName = svg('text', { class: 'label', 'text-anchor': 'end', 'aria-hidden': 'true' }, 'T');
  box.append(plot.inside, points, dot, floorName, xName);
  const caption = html('figcaption', {}, html('b', {}, 'How many steps does it take?'), html('span', { class: 'aside' }, 'Total variation at the end against T, for this schedule and noise.'));
  let x = null;
  let y = null;
  return {
    caption,
    element: box,
    resize: () => {
      plot.resize();
      const { left, right, top, bottom } = plot;
      x = logarithmic(1, 1000, left + 6, right);
      y = logarithmic(0.01, 1, bottom, top);
      xAxis.draw([1, 10, 100, 1000].map((v) => ({ at: x(v), label: String(v), anchor: v === 1000 ? 'end' : 'middle' })), bottom, bottom + 5, bottom + 19);
      yAxis.draw([0.01, 0.03, 0.1, 0.3, 1].map((v) => ({ at: y(v), label: sayExactly(v) })), left, right, left - 6);
      place(xName, { x: right, y: bottom + 34 });
    },
    draw: ({ tries, T, floor, distance }) => {
      const { left, right, top, bottom } = plot;
      const at = (v) => clamp(y(Math.max(1e-4, v)), [top, bottom]);
      const sorted = [...tries].sort((a, b) => a[0] - b[0]);
      setAttribute(line, 'd', sorted.length > 1 ? linePath(sorted.length, (i) => x(sorted[i][0]), (i) => at(sorted[i][1])) : '');
      setAttribute(points, 'd', sorted.map(([steps, v]) => `M${x(steps).toFixed(1)} ${at(v).toFixed(1)}h0`).join(''));
      setAttribute(level, 'd', `M${left} ${at(floor).toFixed(1)}H${right}`);
      place(floorName, { x: right - 2, y: at(floor) + 15 > bottom - 2 ? at(floor) - 6 : at(floor) + 15 });
      setAttribute(dot, 'visibility', distance === null || distance === undefined ? 'hidden' : 'visible');
      place(dot, { cx: x(T), cy: at(distance || 1) });
    },
  };
}

export default { render };
