// The schedule explorer: β_t, ᾱ_t, log-SNR, the rms step and the variance along t, for one schedule beside another.

import { constantBetas, cosineBetas, drawnBetas, equalConstant, linearBetas, scheduleOf, settledFrom, varianceAlong } from './betas.js';
import { Axis, html, linePath, linear, logarithmic, perFrame, setAttribute, setText, svg, ticks } from './drawing.js';
import { chips, followPageMath, numbersTable, slider, sub } from './controls.js';
import { keepState, sentenceUnder } from './keeper.js';
import { drags, place, plotBox } from './plot.js';
import { COMPARED, KINDS, LIMITS, scheduleEntries, scheduleFrom } from './schedules-state.js';
import { describeSchedule } from './schedules-words.js';
import { clamp, stops } from './state.js';
import { say, sayCount, sayExactly } from './words.js';

const T_STOPS = stops([10, 100, 10], [100, 1000, 50], [1000, 4000, 250]);
const BETA_CHOICES = stops([0.0001, 0.001, 0.0001], [0.001, 0.01, 0.0005], [0.01, 0.1, 0.002], [0.1, 0.99, 0.01]);
const V_STOPS = stops([0, 4, 0.1]);
const POINTS = 7;

const CHAPTERS_LINEAR = [1e-4, 0.02];

/** The panels: what is drawn, in which colour, on which axis. */
const PANELS = [
  { key: 'beta', title: ['β', 't'], colour: 'beta', values: (s) => s.beta, first: 1 },
  { key: 'alphaBar', title: ['ᾱ', 't'], colour: 'alpha', values: (s) => s.alphaBar, first: 0 },
  { key: 'variance', title: ['v', 't'], words: 'variance', colour: 'x-t', values: (s, v) => v, first: 0 },
  { key: 'logSnr', title: null, words: 'log-SNR', colour: 'x-t', values: (s) => s.logSnr, first: 1 },
  { key: 'rmsStep', title: null, words: 'rms step, unit variance', colour: 'x-t', values: (s) => s.rmsStep, first: 1 },
];

function betasOf(kind, state) {
  if (kind === 'constant') return constantBetas(state.T, state.beta);
  if (kind === 'linear') return linearBetas(state.T, state.beta_1, state.beta_T);
  if (kind === 'cosine') return cosineBetas(state.T);
  return drawnBetas(state.T, state.points.map((beta, i) => [i / (state.points.length - 1), beta]));
}

function render({ model, el }) {
  const state = {
    kind: 'linear', compare: 'constant', T: 1000, t: 500, beta: 0.01, beta_1: CHAPTERS_LINEAR[0], beta_T: CHAPTERS_LINEAR[1],
    points: [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 2e-2, 5e-2], v_0: 2,
  };

  const fromModel = () => {
    const limits = { T: LIMITS.T, t: [0, LIMITS.T[1]], beta: LIMITS.betas, beta_1: LIMITS.betas, beta_T: LIMITS.betas, v_0: LIMITS.v_0 };
    for (const [name, range] of Object.entries(limits)) {
      const value = model.get(name);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = clamp(value, range);
    }
    if (KINDS.includes(model.get('kind'))) state.kind = model.get('kind');
    if (COMPARED.includes(model.get('compare'))) state.compare = model.get('compare');
    const points = model.get('points');
    const fits = (b) => typeof b === 'number' && b >= LIMITS.betas[0] && b <= LIMITS.betas[1];
    if (Array.isArray(points) && points.length >= LIMITS.points[0] && points.length <= LIMITS.points[1] && points.every(fits)) {
      state.points = points.slice();
    }
  };
  const settle = () => {
    state.T = Math.round(state.T);
    state.t = Math.round(clamp(state.t, [0, state.T]));
    return ['t'];
  };
  const kept = keepState({
    model,
    el,
    state,
    names: ['kind', 'compare', 'T', 't', 'beta', 'beta_1', 'beta_T', 'points', 'v_0'],
    fromModel,
    fromAddress: scheduleFrom,
    entries: scheduleEntries,
    settle,
    update: () => update(),
  });
  const { change } = kept;
  const setT = (t) => change({ t: Math.round(clamp(t, [0, state.T])) });

  // ------------------------------------------------------------------------------------------------------ the controls

  const kinds = chips({
    label: 'Schedule',
    items: [
      { label: 'constant', name: 'constant' },
      { label: 'linear', name: 'linear' },
      { label: 'cosine', name: 'cosine' },
      { label: 'draw your own', name: 'drawn' },
    ],
    choose: (item) => {
      if (item.name === 'drawn' && state.kind !== 'drawn') {
        // begin with the curve that was there
        const betas = betasOf(state.kind, state);
        const at = (i) => betas[1 + Math.round((i / (POINTS - 1)) * (state.T - 1))];
        const points = Array.from({ length: POINTS }, (_, i) => Number(clamp(at(i), LIMITS.betas).toPrecision(4)));
        change({ kind: 'drawn', points });
      } else change({ kind: item.name });
    },
  });
  const compared = chips({
    label: 'Beside it',
    items: [
      { label: 'nothing', name: 'nothing' },
      { label: 'constant 0.01', name: 'constant' },
      { label: 'linear', name: 'linear' },
      { label: 'constant, same end', name: 'constant, same end', title: 'The constant β whose ᾱ is the same at t = T' },
    ],
    choose: (item) => change({ compare: item.name }),
  });
  const betaSlider = slider({ symbol: 'β', name: 'at every step', colour: 'beta', stops: BETA_CHOICES, limits: LIMITS.betas, marks: [0.0001, 0.1, 0.5, 0.99], set: (beta) => change({ beta }) });
  const beta1Slider = slider({ symbol: 'β_1', shown: sub('β', '1'), name: 'at the first step', colour: 'beta', stops: BETA_CHOICES, limits: LIMITS.betas, marks: [0.0001, 0.1, 0.5, 0.99], set: (v) => change({ beta_1: v }) });
  const betaTSlider = slider({ symbol: 'β_T', shown: sub('β', 'T'), name: 'at the last step', colour: 'beta', stops: BETA_CHOICES, limits: LIMITS.betas, marks: [0.0001, 0.1, 0.5, 0.99], set: (v) => change({ beta_T: v }) });
  const lengthSlider = slider({
    symbol: 'T', name: 'number of steps', colour: 'x-t', stops: T_STOPS, limits: LIMITS.T, marks: [10, 100, 500, 1000, 4000], whole: true,
    set: (T) => change({ T, t: Math.round((state.t / state.T) * T) }),
  });
  const tSlider = slider({ symbol: 't', name: 'the marked step', colour: 'x-t', stops: [0, 1], limits: [0, 1], whole: true, set: setT });
  const vSlider = slider({ symbol: 'v_0', shown: sub('v', '0'), name: 'variance at the start', colour: 'x-0', stops: V_STOPS, limits: LIMITS.v_0, marks: [0, 1, 2, 3, 4], set: (v) => change({ v_0: v }) });

  // ------------------------------------------------------------------------------------------------------- the figures

  let hovered = null;
  const hover = (t) => {
    if (hovered === t) return;
    hovered = t;
    update();
  };
  const editor = { state, change };
  const panels = PANELS.map((panel) => panelFigure(panel, { setT, hover, editor }));
  const reading = html('tbody');
  const readingHead = html('tr');
  const readingTable = html('table', { class: 'reading' }, html('caption', {}, ''), html('thead', {}, readingHead), reading);
  const words = sentenceUnder(() => kept.touched);
  const table = numbersTable('The schedule in numbers');
  const outer = html(
    'div',
    { class: 'ddpm schedules', role: 'group', 'aria-label': 'Schedule explorer' },
    kinds.element,
    compared.element,
    html('div', { class: 'controls three' }, betaSlider.element, beta1Slider.element, betaTSlider.element, lengthSlider.element, tSlider.element, vSlider.element),
    html('div', { class: 'panels' }, ...panels.map((panel) => panel.element), html('div', { class: 'reading-place' }, readingTable)),
    words.says,
    table.element,
    words.spoken,
  );
  el.replaceChildren(outer);

  // ---------------------------------------------------------------------------------------------------- drawing it all

  let key = '';
  let now = null;
  let shapedFor = 0;
  const compute = () => {
    const wanted = JSON.stringify([state.kind, state.compare, state.T, state.beta, state.beta_1, state.beta_T, state.points, state.v_0]);
    if (wanted === key) return false;
    key = wanted;
    const own = scheduleOf(betasOf(state.kind, state));
    const otherBetas = {
      nothing: () => null,
      constant: () => constantBetas(state.T, 0.01),
      linear: () => linearBetas(state.T, ...CHAPTERS_LINEAR),
      'constant, same end': () => constantBetas(state.T, equalConstant(own)),
    }[state.compare]();
    const other = otherBetas && scheduleOf(otherBetas);
    now = { own, other, variance: varianceAlong(own, state.v_0), otherVariance: other && varianceAlong(other, state.v_0) };
    now.settled = settledFrom(now.variance);
    now.otherSettled = other && settledFrom(now.otherVariance);
    return true;
  };

  const draw = () => {
    const fresh = compute();
    const { T } = state;
    if (shapedFor !== T) {
      shapedFor = T;
      tSlider.reshape(stops([0, T, 1]), [0, T], [0, Math.round(T / 2), T]);
    }
    const t = hovered === null ? state.t : Math.min(T, hovered);
    const otherName = { nothing: '', constant: 'constant 0.01', linear: 'linear', 'constant, same end': now.other ? `constant ${say(now.other.beta[1], 5)}` : '' }[state.compare];
    for (const panel of panels) panel.draw({ ...now, T, t, fresh, kind: state.kind, points: state.points });

    betaSlider.element.hidden = state.kind !== 'constant';
    beta1Slider.element.hidden = state.kind !== 'linear';
    betaTSlider.element.hidden = state.kind !== 'linear';
    betaSlider.show(state.beta);
    beta1Slider.show(state.beta_1);
    betaTSlider.show(state.beta_T);
    lengthSlider.show(T);
    tSlider.show(state.t);
    vSlider.show(state.v_0);
    kinds.show((item) => item.name === state.kind);
    compared.show((item) => item.name === state.compare);

    const rows = [
      ['β', now.own.beta, now.other && now.other.beta, 1],
      ['ᾱ', now.own.alphaBar, now.other && now.other.alphaBar, 0],
      ['variance', now.variance, now.otherVariance, 0],
      ['log-SNR', now.own.logSnr, now.other && now.other.logSnr, 1],
      ['rms step', now.own.rmsStep, now.other && now.other.rmsStep, 1],
    ].map(([name, own, other, first]) => [name, t >= first ? say(own[t]) : '–', other ? (t >= first ? say(other[t]) : '–') : null]);
    rows.push(['within 1 % of 1 from', now.settled === null ? 'never' : sayCount(now.settled), now.other ? (now.otherSettled === null ? 'never' : sayCount(now.otherSettled)) : null]);
    setText(readingTable.caption, `At t = ${sayCount(t)}`);
    fill(readingHead, reading, [state.kind, otherName].filter(Boolean), rows);

    words.show(describeSchedule({ ...state, t: state.t, own: now.own, other: now.other, otherName, variance: now.variance, settled: now.settled, otherSettled: now.otherSettled }));
    table.show(() => [0, 1, ...[0.1, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * T))].filter((s, i, all) => all.indexOf(s) === i).map((s) => [
      `t = ${sayCount(s)}`,
      `β ${say(now.own.beta[s])}, ᾱ ${say(now.own.alphaBar[s])}, log-SNR ${say(now.own.logSnr[s])}, rms step ${say(now.own.rmsStep[s])}, variance ${say(now.variance[s])}`,
    ]));
    kept.save();
  };

  const update = perFrame(draw);
  const resize = new ResizeObserver(() => {
    const wide = outer.clientWidth;
    setAttribute(outer, 'data-columns', wide >= 860 ? '3' : wide >= 520 ? '2' : '1');
    for (const panel of panels) panel.resize();
    draw();
  });
  resize.observe(outer);

  const unfollow = followPageMath(outer);

  return () => {
    unfollow();
    resize.disconnect();
    update.cancel();
    words.announce.cancel();
    kept.stop();
  };
}

/** Writes a small table of names against one or two columns of values. */
function fill(head, body, columns, rows) {
  const cells = ['', ...columns];
  if (head.children.length !== cells.length) {
    head.replaceChildren(...cells.map((text, i) => (i ? html('th', { scope: 'col' }, text) : html('td', {}, ''))));
    body.replaceChildren(...rows.map(([name]) => html('tr', {}, html('th', { scope: 'row' }, name), ...columns.map(() => html('td', {}, '')))));
  }
  columns.forEach((text, i) => setText(head.children[i + 1], text));
  rows.forEach((row, r) => columns.forEach((_, c) => setText(body.children[r].children[c + 1], row[c + 1] ?? '')));
}

// ----------------------------------------------------------------------------------------------------------- a panel

function panelFigure(panel, { setT, hover, editor }) {
  const isBeta = panel.key === 'beta';
  const plot = plotBox(
    { left: 46, right: 12, top: 8, bottom: 24 },
    {
      class: 'plot scrub panel',
      role: isBeta ? 'group' : 'img',
      'aria-label': `${panel.words || panel.title[0] + '_t'} against t. The table below gives its numbers.`,
    },
  );
  const box = plot.element;
  const yAxis = new Axis(box, 'y');
  const xAxis = new Axis(box, 'x');
  const reference = plot.path('normal');
  const otherLine = plot.path('other');
  const ownLine = plot.path(`own own-${panel.colour}`);
  const marker = svg('line', { class: 'marker' });
  const otherDot = svg('circle', { class: 'dot dot-other', r: 3 });
  const dot = svg('circle', { class: 'dot', r: 3.5 });
  const handles = svg('g', { class: 'handles' });
  box.append(plot.inside, marker, otherDot, dot, handles);
  const value = html('span', { class: 'aside' }, '');
  const log = html('span', { class: 'aside' }, '');
  const name = html('b', {}, ...(panel.title ? [sub(...panel.title)] : []), panel.words ? (panel.title ? `, ${panel.words}` : panel.words) : '');
  const caption = html('figcaption', {}, name, value, log);
  const element = html('figure', {}, caption, box);

  let x = null;
  let y = null;
  let T = 0;
  let circles = [];

  const timeAt = (at) => clamp(Math.round(x.invert(at.x)), [0, T]);

  // control points of a drawn β: dragged up and down, or moved with the arrow keys
  const move = (i, beta) => {
    const points = editor.state.points.slice();
    points[i] = Number(clamp(beta, LIMITS.betas).toPrecision(4));
    editor.change({ points });
  };
  const build = (count) => {
    circles = Array.from({ length: count }, (_, i) =>
      svg('circle', {
        r: 6.5,
        class: 'point',
        role: 'slider',
        tabindex: 0,
        'aria-orientation': 'vertical',
        'aria-label': `β at control point ${i + 1} of ${count}`,
        'aria-valuemin': LIMITS.betas[0],
        'aria-valuemax': LIMITS.betas[1],
        onkeydown: (event) => {
          const factor = { ArrowUp: 1.1, ArrowRight: 1.1, ArrowDown: 1 / 1.1, ArrowLeft: 1 / 1.1, PageUp: 2, PageDown: 0.5 }[event.key];
          if (!factor || event.altKey || event.ctrlKey || event.metaKey) return;
          event.preventDefault();
          move(i, editor.state.points[i] * factor);
        },
      }),
    );
    handles.replaceChildren(...circles);
  };

  let dragging = null; // 'time', or the index of a control point
  drags(box, {
    start: (at) => {
      if (!x) return false;
      dragging = 'time';
      if (circles.length) {
        const distances = circles.map((c) => Math.hypot(Number(c.getAttribute('cx')) - at.x, Number(c.getAttribute('cy')) - at.y));
        const nearest = distances.indexOf(Math.min(...distances));
        if (distances[nearest] < 24) dragging = nearest;
      }
      if (dragging === 'time') setT(timeAt(at));
      else circles[dragging].focus();
      return true;
    },
    move: (at) => (dragging === 'time' ? setT(timeAt(at)) : move(dragging, y.invert(at.y))),
    hover: (at) => x && hover(timeAt(at)),
    leave: () => hover(null),
  });

  const scaleFor = ({ own, other, variance, otherVariance, kind }) => {
    const series = [panel.values(own, variance), other ? panel.values(other, otherVariance) : null].filter(Boolean);
    let low = Infinity;
    let high = -Infinity;
    for (const values of series) {
      for (let t = panel.first; t < values.length; t++) {
        if (values[t] < low) low = values[t];
        if (values[t] > high) high = values[t];
      }
    }
    const logs = isBeta && kind === 'drawn';
    setText(log, logs ? 'log axis; drag the points' : '');
    if (logs) return logarithmic(LIMITS.betas[0], 1, plot.bottom, plot.top);
    if (panel.key === 'alphaBar') return linear(0, 1.04, plot.bottom, plot.top);
    if (panel.key === 'logSnr') return linear(Math.min(-5, Math.max(-40, low)) - 0.5, Math.max(5, high) + 0.5, plot.bottom, plot.top);
    if (panel.key === 'variance') return linear(0, Math.max(1.25, 1.08 * high), plot.bottom, plot.top);
    return linear(0, 1.08 * high, plot.bottom, plot.top);
  };

  return {
    element,
    resize: () => {
      plot.resize();
      T = 0;
    },
    draw: (now) => {
      const { own, other, variance, otherVariance, t, kind, points } = now;
      if (now.fresh || T !== now.T) {
        T = now.T;
        x = linear(0, T, plot.left, plot.right);
        y = scaleFor(now);
        const logs = isBeta && kind === 'drawn';
        const marks = logs ? [1e-6, 1e-4, 1e-2, 1] : ticks(...y.domain, 4);
        yAxis.draw(marks.map((v) => ({ at: y(v), label: logs && v < 0.01 ? say(v, 1).replace('1×', '') : sayExactly(Math.abs(v) < 1e-12 ? 0 : v) })), plot.left, plot.right, plot.left - 6);
        xAxis.draw([0, 0.5, 1].map((share) => ({ at: x(share * T), label: String(Math.round(share * T)), anchor: share === 1 ? 'end' : 'middle' })), plot.bottom, plot.bottom + 5, plot.bottom + 18);
        const times = [];
        for (let i = 0, count = Math.min(T, 260); i <= count; i++) times.push(Math.round((i / count) * T));
        if (panel.first === 1) times[0] = 1;
        if (T > 260) times.splice(1, 0, 2, 3);
        const line = (values) => linePath(times.length, (i) => x(times[i]), (i) => y(Math.max(values[times[i]], y.domain[0])));
        setAttribute(ownLine, 'd', line(panel.values(own, variance)));
        setAttribute(otherLine, 'd', other ? line(panel.values(other, otherVariance)) : '');
        setAttribute(reference, 'd', panel.key === 'variance' ? `M${plot.left} ${y(1).toFixed(1)}H${plot.right}` : panel.key === 'logSnr' ? `M${plot.left} ${y(0).toFixed(1)}H${plot.right}` : '');
        const wanted = isBeta && kind === 'drawn' ? points.length : 0;
        if (circles.length !== wanted) build(wanted);
        circles.forEach((circle, i) => {
          place(circle, { cx: x(1 + (i / (points.length - 1)) * (T - 1)), cy: y(points[i]) });
          setAttribute(circle, 'aria-valuenow', points[i]);
          setAttribute(circle, 'aria-valuetext', sayExactly(points[i]));
        });
      }
      const at = x(t);
      place(marker, { x1: at, x2: at, y1: plot.top, y2: plot.bottom });
      const show = (circle, values) => {
        const hidden = !values || t < panel.first;
        setAttribute(circle, 'visibility', hidden ? 'hidden' : 'visible');
        if (hidden) return;
        place(circle, { cx: at, cy: clamp(y(values[t]), [plot.top, plot.bottom]) });
      };
      show(dot, panel.values(own, variance));
      show(otherDot, other ? panel.values(other, otherVariance) : null);
      setText(value, t < panel.first ? '–' : say(panel.values(own, variance)[t]));
    },
  };
}

export default { render };
