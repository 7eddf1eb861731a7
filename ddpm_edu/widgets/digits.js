// The trained U-Net draws digits in the page: a press loads its weights, a worker walks, the reader looks at every step.

import { Axis, html, linear, perFrame, setAttribute, setText, svg, ticks } from './drawing.js';
import { checkbox, chips, followPageMath, hatted, italic, lights, numbersTable, prose, reducedMotion, root, slider, sub, term } from './controls.js';
import { scheduleOf } from './betas.js';
import { distancesToEnd, imageOf, makeChain, settledAt, sharesOfStep, startingNoise } from './digits-chain.js';
import { DIGITS_LIMITS, DIGITS_SAMPLERS, DIGITS_STEP_STOPS, digitsEntries, digitsFrom, stepsOf } from './digits-state.js';
import { describeDigits, sayBytes, sayDigits, sayRow, saySampler, saySeconds } from './digits-words.js';
import { keepState, sentenceUnder } from './keeper.js';
import { curvePath, drags, place, plotBox } from './plot.js';
import { clamp, stops } from './state.js';
import { openUNet } from './unet-worker.js';
import { say, sayCount, sayExactly } from './words.js';

const DIGITS_USUAL = { seed: 1, steps: 50, eta: 0, sampler: 'ddim', clip: true, count: 16, digit: 1, step: 1000 };
const SIDE_OF_IMAGE = 28;
const GROUND = 22; // grey of the film between the pictures
const EMPTY = 38; // and of a picture that is still to come
const ROWS_KEPT = 6; // walks whose digits stay on the page

const WHAT_PARTS_ARE = {
  'x-t': 'x_t: the picture that the network is given, on the left.',
  'x-0': 'x̂_0: the digit that the network sees in x_t, on the right. The more noise there is, the more it is an average of all that may come.',
  epsilon: 'ε̂: the noise that the network sees in x_t. It is all that a network ever says here; x̂_0 is what remains when it is taken out.',
  sigma: 'σ_t z: fresh noise. DDIM with η = 0 adds none, and then the seed’s first noise decides everything.',
  signal: 'The share of x̂_0 in the next picture.',
  taken: 'At large t this root is nearly 1 and the one below the line nearly 0: a small slip in ε̂ is a large one in x̂_0.',
};
const CALL = 'Point at a term: it says what it is, and its picture stands out.';

const TO_TRY = [
  { label: '5 steps', title: 'DDIM in 5 steps from the same noise', set: { sampler: 'ddim', steps: 5, eta: 0, clip: true, count: 16 } },
  { label: '20 steps', title: 'DDIM in 20 steps from the same noise', set: { sampler: 'ddim', steps: 20, eta: 0, clip: true, count: 16 } },
  { label: '50 steps', title: 'DDIM in 50 steps from the same noise', set: { sampler: 'ddim', steps: 50, eta: 0, clip: true, count: 16 } },
  { label: 'fresh noise', title: 'DDIM in 50 steps with η = 1', set: { sampler: 'ddim', steps: 50, eta: 1, clip: true, count: 16 } },
  { label: 'x̂₀ left free', title: 'DDIM in 20 steps without holding x̂_0 within [−1, 1]', set: { sampler: 'ddim', steps: 20, eta: 0, clip: false, count: 16 } },
  { label: 'one digit, every step', title: 'One digit by the ancestral sampler in all steps', set: { sampler: 'beta', clip: true, count: 1 } },
];

function render({ model, el }) {
  const state = { ...DIGITS_USUAL };
  const fromModel = () => {
    for (const [name, limits] of Object.entries(DIGITS_LIMITS)) {
      const value = model.get(name);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = name === 'eta' ? clamp(value, limits) : Math.round(clamp(value, limits));
    }
    if (DIGITS_SAMPLERS.includes(model.get('sampler'))) state.sampler = model.get('sampler');
    if (typeof model.get('clip') === 'boolean') state.clip = model.get('clip');
  };
  const kept = keepState({
    model,
    el,
    state,
    names: [...Object.keys(DIGITS_LIMITS), 'sampler', 'clip'],
    fromModel,
    fromAddress: digitsFrom,
    entries: digitsEntries,
    update: () => update(),
  });
  const { change } = kept;
  const bytes = Number(model.get('bytes')) || 0; // of the weights, as they are sent

  // ----------------------------------------------------------------------------------------------------- the equations

  const operator = (text) => html('span', { class: 'operator' }, text);
  const bar = (index) => sub('ᾱ', index);
  const guess = () => term('x-0', [hatted('x', '0')], 'the digit seen in x at t');
  const noise = () => term('epsilon', [hatted('ε')], 'the noise seen in x at t');
  const terms = {
    seen: guess(),
    xt: term('x-t', [sub('x', 't')], 'x at t'),
    taken: term('taken', [root('1 − ', bar('t'))], 'square root of 1 minus ᾱ at t'),
    eps: noise(),
    shrunk: term('taken', [root(bar('t'))], 'square root of ᾱ at t'),
    next: term('x-t', [sub('x', 's')], 'x at s, the next time'),
    signal: term('signal', [root(bar('s'))], 'square root of ᾱ at s'),
    put: guess(),
    rest: term('epsilon', [root('1 − ', bar('s'), ' − ', html('span', { class: 'indexed' }, italic('σ'), html('sup', {}, '2'), html('sub', {}, 't')))], 'share of the noise that is kept'),
    restBeta: term('epsilon', [root('1 − ', bar('s'), ' − ', sub('β̃', 't'))], 'share of the noise that is kept'),
    eps2: noise(),
    sigma: term('sigma', [sub('σ', 't')], 'σ at t'),
    z: term('sigma', [italic('z')], 'fresh noise'),
  };
  for (const name of ['seen', 'put']) terms[name].show('', 'the picture on the right');
  for (const name of ['eps', 'eps2']) terms[name].show('', 'the network’s answer');
  terms.xt.show('', 'the picture on the left');
  terms.next.show('', 'the next picture');
  terms.z.show('', 'new in each pixel');
  const stepName = html('span', { class: 'equation-name' }, '');
  const sees = html(
    'div',
    { class: 'equation', role: 'group', 'aria-label': 'What the network sees' },
    terms.seen.element, operator('= ('), terms.xt.element, operator('−'), terms.taken.element, terms.eps.element, operator(') /'), terms.shrunk.element,
  );
  const mixes = html(
    'div',
    { class: 'equation', role: 'group', 'aria-label': 'The step from t to s' },
    terms.next.element, operator('='), terms.signal.element, terms.put.element, operator('+'), terms.rest.element, terms.restBeta.element, terms.eps2.element,
    html('span', { class: 'together' }, operator('+'), terms.sigma.element, terms.z.element),
  );
  const hint = html('p', { class: 'hint' }, CALL);

  // ------------------------------------------------------------------------------------------------------ the controls

  const word = (text) => html('span', { class: 'word' }, text);
  const seedSlider = slider({ symbol: 'seed', shown: word('seed'), name: 'of all the noise', colour: 'x-t', stops: stops([0, 100, 1]), limits: DIGITS_LIMITS.seed, marks: [0, 50, 100], whole: true, set: (seed) => change({ seed }) });
  const stepsSlider = slider({ symbol: 'S', name: 'number of steps', colour: 'x-t', stops: DIGITS_STEP_STOPS, limits: DIGITS_LIMITS.steps, marks: [5, 20, 50, 100, 1000], whole: true, set: (steps) => change({ steps }) });
  const etaSlider = slider({ symbol: 'η', name: 'share of fresh noise', colour: 'beta', stops: stops([0, 1, 0.05]), limits: DIGITS_LIMITS.eta, marks: [0, 0.5, 1], set: (eta) => change({ eta }) });
  const samplers = chips({
    label: 'Sampler',
    items: [
      { label: 'DDIM', name: 'ddim', title: 'Fewer, longer steps' },
      { label: 'ancestral, σ² = β', name: 'beta', title: 'Every step, with variance β' },
      { label: 'ancestral, σ² = β̃', name: 'beta_tilde', title: 'Every step, with variance β̃' },
    ],
    choose: (item) => change({ sampler: item.name }),
  });
  const counts = chips({
    label: 'Draw',
    items: [{ label: '16 digits', count: 16 }, { label: 'one digit', count: 1 }],
    choose: (item) => change({ count: item.count }),
  });
  const clipBox = checkbox('hold x̂₀ within [−1, 1]', (clip) => change({ clip }));
  const tries = chips({ label: 'Try', items: TO_TRY, choose: (item) => change(item.set) });
  const sampleButton = html('button', { type: 'button', class: 'chip press', 'data-action': 'sample', onclick: () => press() }, '');
  const pauseButton = html('button', { type: 'button', class: 'chip', 'data-action': 'pause', onclick: () => (phase === 'paused' ? goOn() : pause()) }, 'Pause');
  const stopButton = html('button', { type: 'button', class: 'chip', 'data-action': 'stop', onclick: () => stop() }, 'Stop');
  const newButton = html('button', { type: 'button', class: 'chip', onclick: () => change({ seed: state.seed >= DIGITS_LIMITS.seed[1] ? 0 : state.seed + 1 }) }, 'New noise');
  const meter = html('progress', { max: 1, value: 0, 'aria-label': 'How much is done' });
  const status = html('span', { class: 'status' }, '');
  const trouble = html('p', { class: 'trouble', role: 'alert' });
  const stepSlider = slider({ symbol: 'k', name: 'steps made', colour: 'x-t', stops: [0, 1], limits: [0, 1], whole: true, set: (k) => lookAt(k) });
  const digitSlider = slider({ symbol: 'digit', shown: word('digit'), name: 'marked and followed', colour: 'x-0', stops: stops([1, 16, 1]), limits: DIGITS_LIMITS.digit, marks: [1, 4, 8, 12, 16], whole: true, set: (digit) => change({ digit }) });

  // ------------------------------------------------------------------------------------------------------- the figures

  const left = gridFigure('x-t', [sub('x', 't')], 'what the network is given', (i) => mark(i));
  const right = gridFigure('x-0', [hatted('x', '0')], 'the digit it sees in that', (i) => mark(i));
  const settling = settlingFigure((k) => lookAt(k));
  const film = filmFigure((k) => lookAt(k));
  const rows = html('ol', { class: 'rows' });
  const before = html('figure', { class: 'before along', hidden: true }, html('figcaption', {}, html('b', {}, 'Drawn so far'), html('span', { class: 'aside' }, 'One walk a row, the newest first. With one seed, a column begins with one and the same noise.')), rows);
  const words = sentenceUnder(() => kept.touched && phase !== 'running' && phase !== 'loading');
  const table = numbersTable('What the pictures show now');
  const outer = html(
    'div',
    { class: 'ddpm digits', role: 'group', 'aria-label': 'Drawing digits with the trained network', 'data-state': 'idle' },
    html('div', { class: 'equations' }, stepName, sees, mixes),
    hint,
    html('div', { class: 'controls three' }, seedSlider.element, stepsSlider.element, etaSlider.element),
    html('div', { class: 'moves' }, samplers.element, counts.element, clipBox.element),
    html('div', { class: 'moves' }, tries.element),
    html('div', { class: 'moves work', role: 'group', 'aria-label': 'Draw' }, sampleButton, newButton, pauseButton, stopButton, meter, status),
    trouble,
    html('div', { class: 'figures' }, left.figure, right.figure, settling.figure),
    html('div', { class: 'controls time' }, stepSlider.element, digitSlider.element),
    film.figure,
    before,
    words.says,
    table.element,
    words.spoken,
  );
  el.replaceChildren(outer);
  lights(outer, (part) => hint.replaceChildren(...prose(WHAT_PARTS_ARE[part] || CALL)));

  // ------------------------------------------------------------------------------------------------------- the walking

  let phase = 'idle'; // loading, running, paused, stopped, done, failed
  let loaded = 0;
  let opening = null; // the promise of a network, kept for the next press
  let unet = null;
  let turn = 0; // counts the presses; what an earlier one still brings is dropped
  let run = null;
  let schedule = null;
  const enter = (next) => {
    phase = next;
    words.announce();
    update();
  };
  const settingsNow = () => {
    const { seed, eta, sampler, clip, count, digit } = state;
    return { seed, steps: stepsOf(state), eta, sampler, clip, count, first: count === 1 ? digit - 1 : 0 };
  };
  const release = () => {
    const late = opening;
    opening = null;
    unet = null;
    if (late) late.then((network) => network.close(), () => {});
  };
  const fail = (message) => {
    turn += 1;
    release();
    trouble.replaceChildren(message);
    enter('failed');
  };
  const press = async () => {
    turn += 1;
    const mine = turn;
    const settings = settingsNow();
    if (run) change({ step: DIGITS_USUAL.step });
    kept.touched = true;
    trouble.replaceChildren();
    if (unet) unet.stop();
    if (!unet) {
      loaded = 0;
      enter('loading');
      words.spoken.textContent = 'Loading the network.';
      if (!opening) {
        opening = openUNet({
          model,
          progress: (share) => {
            loaded = share;
            update();
          },
        });
      }
      try {
        const network = await opening;
        if (mine !== turn) return;
        unet = network;
        schedule = scheduleOf(Float64Array.from(unet.description.beta));
      } catch (error) {
        if (mine === turn) fail(error.message);
        return;
      }
    }
    begin(mine, settings);
  };
  const begin = (mine, settings) => {
    const { sampler, count } = settings;
    const of = stepsOf(settings, schedule.T);
    run = { settings, of, chain: makeChain(count, of), made: 0, seconds: 0, evaluations: 0, distances: null };
    const current = run;
    enter('running');
    words.spoken.textContent = `Drawing ${sayDigits(count)} in ${sayCount(of)} ${of === 1 ? 'step' : 'steps'}.`;
    const options = sampler === 'ddim' ? { sampler: 'ddim', steps: of, eta: settings.eta } : { sampler: 'ancestral', variance: sampler };
    unet.start(
      { ...options, seed: settings.seed, count, first: settings.first, clip: settings.clip },
      {
        step: (now) => {
          if (mine !== turn) return;
          current.chain.add(now.step, now.t, now.x_t, now.x_0);
          current.made = now.step;
          current.seconds = now.seconds;
          update();
        },
        done: (now) => {
          if (mine !== turn) return;
          current.seconds = now.seconds;
          current.distances = Array.from({ length: count }, (_, i) => distancesToEnd(current.chain, i));
          keepRow(current);
          enter('done');
        },
        failed: (message) => mine === turn && fail(message),
      },
    );
  };
  const pause = () => {
    if (phase !== 'running') return;
    unet.pause();
    enter('paused');
  };
  const goOn = () => {
    unet.resume();
    enter('running');
  };
  /** What there is to look at when nothing goes on. */
  const phaseLeft = () => (!run ? 'idle' : run.distances ? 'done' : 'stopped');
  const stop = () => {
    turn += 1;
    if (unet) unet.stop();
    enter(phaseLeft());
  };
  // whoever leaves the page takes the worker along, also when the browser keeps the page for coming back
  const leave = () => {
    turn += 1;
    if (['loading', 'running', 'paused'].includes(phase)) enter(phaseLeft());
    release();
  };
  window.addEventListener('pagehide', leave);

  /** What the walk will start from; no network is needed to show it. */
  const startingPictures = () => {
    const { seed, first, count } = run ? run.settings : settingsNow();
    const key = `${seed} ${first} ${count}`;
    if (start.key !== key) start = { key, pictures: startingNoise(seed, first, count) };
    return start.pictures;
  };
  let start = {};
  const last = () => (run ? run.chain.known : -1);
  const shown = () => Math.min(state.step, last());
  const lookAt = (k) => {
    if (last() < 0) return;
    change({ step: k >= last() ? DIGITS_USUAL.step : Math.max(0, Math.round(k)) });
  };
  /** The image of the walk that is marked. */
  const followed = () => {
    const { count } = run ? run.settings : state;
    return count > 1 ? Math.min(state.digit, count) - 1 : 0;
  };
  const mark = (i) => {
    const { count } = run ? run.settings : state;
    if (count > 1 && i < count) change({ digit: i + 1 });
  };

  /** Puts the digits of a finished walk on top of those drawn before. */
  const keepRow = ({ settings, of, chain }) => {
    const label = sayRow(settings, of);
    const canvas = html('canvas', { role: 'img', 'aria-label': `${sayDigits(settings.count)}: ${label}` });
    const columns = Math.max(16, settings.count);
    const painter = makePainter(canvas, columns, 1);
    for (let i = 0; i < settings.count; i++) painter.put(imageOf(chain.states[of], i), settings.first + i);
    painter.show();
    rows.prepend(html('li', {}, html('span', { class: 'row-name' }, label), canvas));
    while (rows.children.length > ROWS_KEPT) rows.lastChild.remove();
    before.hidden = false;
  };

  // ---------------------------------------------------------------------------------------------------- drawing it all

  let drawnRun = null;
  let paintedAt = 0;
  let sized = false;
  const draw = () => {
    if (!sized) return;
    paintedAt = performance.now();
    const busy = phase === 'running' || phase === 'paused';
    setAttribute(outer, 'data-state', phase);
    seedSlider.show(state.seed);
    stepsSlider.show(state.steps);
    etaSlider.show(state.eta);
    digitSlider.show(state.digit);
    for (const control of [stepsSlider, etaSlider]) control.element.hidden = state.sampler !== 'ddim';
    samplers.show((item) => item.name === state.sampler);
    counts.show((item) => item.count === state.count);
    clipBox.show(state.clip);
    tries.show((item) => Object.entries(item.set).every(([name, value]) => state[name] === value));
    const of = stepsOf(state);
    setText(sampleButton, `Draw ${sayDigits(state.count)} in ${sayCount(of)} ${of === 1 ? 'step' : 'steps'}`);
    setText(pauseButton, phase === 'paused' ? 'Go on' : 'Pause');
    pauseButton.disabled = !busy;
    stopButton.disabled = !busy && phase !== 'loading';
    meter.hidden = !busy && phase !== 'loading';
    meter.value = phase === 'loading' ? loaded : run ? run.made / run.of : 0;
    setText(status, statusText(busy));

    const k = shown();
    const chain = run && run.chain;
    const t = k >= 0 ? chain.times[k] : null;
    if (run !== drawnRun) {
      drawnRun = run;
      const half = Math.round(run.of / 2);
      stepSlider.reshape(stops([0, run.of, 1]), [0, run.of], [...new Set([0, half, run.of])]);
    }
    stepSlider.range.disabled = stepSlider.typed.disabled = k < 0;
    stepSlider.show(Math.max(0, k));
    if (k >= 0) setAttribute(stepSlider.range, 'aria-valuetext', `${sayCount(k)} of ${sayCount(run.of)}, t = ${sayCount(t)}`);
    const i = followed();
    const count = chain ? chain.count : state.count;
    left.draw(k >= 0 ? chain.states[k] : startingPictures(), count, i, t);
    right.draw(k >= 0 ? chain.guesses[k] : null, count, i, t);
    settling.draw(run, k, i);
    film.draw(chain, k, i, run && run.settings.first);
    showTerms(k);

    const distances = run && run.distances;
    const described = run && {
      settings: run.settings,
      of: run.of,
      made: run.made,
      seconds: run.seconds,
      k,
      t,
      distance: distances && k >= 0 ? distances[i][k] : null,
      settled: distances ? chain.times[settledAt(distances[i])] : null,
      beyond: k >= 0 && k < run.of ? chain.beyond[k] : null,
      furthest: k >= 0 && k < run.of ? chain.furthest[k] : null,
      other: JSON.stringify(run.settings) !== JSON.stringify(settingsNow()),
    };
    words.show(describeDigits({ phase, state, run: described, bytes: unet ? 0 : bytes }));
    table.show(() => [
      ['seed', sayCount((run ? run.settings : state).seed)],
      ['steps', sayCount(run ? run.of : of)],
      ['steps made', run ? sayCount(run.made) : '0'],
      ['steps before what is shown', k >= 0 ? sayCount(k) : '–'],
      ['t', t === null ? '–' : sayCount(t)],
      ['ᾱ_t', t === null ? '–' : say(schedule.alphaBar[t])],
      ['evaluations of the network', run ? sayCount(run.made * run.settings.count) : '0'],
      ['seconds', run ? run.seconds.toFixed(1) : '0'],
      ['evaluations a second', run && run.seconds > 0 ? say((run.made * run.settings.count) / run.seconds, 2) : '–'],
      ['x̂_0 to its end, marked digit, rms', distances && k >= 0 ? say(distances[i][k], 2) : '–'],
      ['x̂_0 to its end, mean of all', distances && k >= 0 ? say(distances.reduce((sum, d) => sum + d[k], 0) / distances.length, 2) : '–'],
      ['pixels of x̂_0 outside [−1, 1]', described && described.beyond !== null ? `${say(100 * described.beyond, 2)} %` : '–'],
    ]);
    kept.save();
  };

  const statusText = (busy) => {
    if (phase === 'loading') return bytes ? `loading the network: ${sayBytes(loaded * bytes)} of ${sayBytes(bytes)}` : 'loading the network';
    if (busy) return `${sayCount(run.made)} of ${sayCount(run.of)} steps${phase === 'paused' ? ', paused' : ''}`;
    if (phase === 'idle') return unet || !bytes ? '' : `loads the network first, ${sayBytes(bytes)}`;
    if (phase === 'stopped') return `stopped after ${sayCount(run.made)} of ${sayCount(run.of)} steps`;
    return phase === 'done' ? `done in ${saySeconds(run.seconds)}` : '';
  };

  /** The shares of the step that begins where the reader looks; at the end, of the last one. */
  const showTerms = (k) => {
    const settings = run ? run.settings : state;
    const isBeta = settings.sampler === 'beta';
    terms.rest.element.hidden = isBeta;
    terms.restBeta.element.hidden = !isBeta;
    if (k < 0) {
      setText(stepName, 'the step from t to an earlier time s');
      for (const name of ['taken', 'shrunk', 'signal', 'rest', 'restBeta', 'sigma']) terms[name].show('', 'not known before a walk begins');
      return;
    }
    const from = Math.min(k, run.of - 1);
    const { times } = run.chain;
    const [t, s] = [times[from], times[from + 1]];
    const { signal, guess: rest, fresh } = sharesOfStep(schedule, settings, t, s);
    setText(stepName, `the step from t = ${sayCount(t)} to s = ${sayCount(s)}`);
    terms.taken.show(say(Math.sqrt(schedule.noiseShare[t])));
    terms.shrunk.show(say(Math.sqrt(schedule.alphaBar[t])));
    terms.signal.show(say(signal));
    terms.rest.show(say(rest));
    terms.restBeta.show(say(rest));
    terms.sigma.show(say(fresh));
  };

  const redraw = perFrame(() => {
    // with reduced motion the pictures follow twice a second while they are being drawn
    const wait = phase === 'running' && reducedMotion() ? paintedAt + 500 - performance.now() : 0;
    if (wait <= 0) return draw();
    clearTimeout(late);
    late = setTimeout(draw, wait);
  });
  let late = 0;
  const update = () => redraw();
  const resize = new ResizeObserver(() => {
    const width = outer.clientWidth;
    setAttribute(outer, 'data-columns', width >= 800 ? '3' : '2');
    settling.resize();
    film.resize(width);
    sized = true;
    draw();
  });
  resize.observe(outer);
  const unfollow = followPageMath(outer);

  return () => {
    turn += 1;
    release();
    window.removeEventListener('pagehide', leave);
    unfollow();
    resize.disconnect();
    redraw.cancel();
    clearTimeout(late);
    words.announce.cancel();
    kept.stop();
  };
}

// ------------------------------------------------------------------------------------------------- pictures on a canvas

/** Puts grey pictures side by side on a dark ground, a pixel apart; the canvas has a pixel for a pixel. */
function makePainter(canvas, columns, lines) {
  const step = SIDE_OF_IMAGE + 1;
  [canvas.width, canvas.height] = [columns * step + 1, lines * step + 1];
  const pen = canvas.getContext('2d');
  const data = pen.createImageData(canvas.width, canvas.height);
  const { width } = canvas;
  data.data.fill(GROUND);
  for (let p = 3; p < data.data.length; p += 4) data.data[p] = 255;
  return {
    columns,
    lines,
    put: (image, place) => {
      const [x, y] = [1 + (place % columns) * step, 1 + Math.floor(place / columns) * step];
      for (let p = 0; p < image.length; p++) {
        const at = 4 * ((y + Math.floor(p / SIDE_OF_IMAGE)) * width + x + (p % SIDE_OF_IMAGE));
        data.data[at] = data.data[at + 1] = data.data[at + 2] = image[p];
      }
    },
    blank: (place) => {
      const [x, y] = [1 + (place % columns) * step, 1 + Math.floor(place / columns) * step];
      for (let row = 0; row < SIDE_OF_IMAGE; row++) for (let column = 0; column < SIDE_OF_IMAGE; column++) data.data.fill(EMPTY, 4 * ((y + row) * width + x + column), 4 * ((y + row) * width + x + column) + 3);
    },
    show: () => pen.putImageData(data, 0, 0),
  };
}

/** A square of digits, of which one is marked. */
function gridFigure(part, symbol, aside, choose) {
  const canvas = html('canvas', { role: 'img' });
  const frame = html('span', { class: 'marked-digit', 'aria-hidden': 'true', hidden: true });
  const placeOf = html('div', { class: `film grid part part-${part}`, 'data-part': part }, canvas, frame);
  const at = html('span', { class: 'at' }, '');
  const figure = html('figure', { class: 'square' }, html('figcaption', {}, html('b', {}, ...symbol, at), html('span', { class: 'aside' }, aside)), placeOf);
  let painter = null;
  let shown; // what the canvas shows
  placeOf.addEventListener('click', (event) => {
    const box = canvas.getBoundingClientRect();
    const index = (share, n) => Math.min(n - 1, Math.max(0, Math.floor(share * n)));
    choose(index((event.clientY - box.top) / box.height, painter.lines) * painter.columns + index((event.clientX - box.left) / box.width, painter.columns));
  });
  return {
    figure,
    /** values: grey pictures in a row, or null where there are none yet */
    draw: (values, count, marked, t) => {
      const side = Math.ceil(Math.sqrt(count || 16));
      if (!painter || painter.columns !== side) {
        painter = makePainter(canvas, side, side);
        shown = undefined;
      }
      if (shown !== values) {
        for (let i = 0; i < side * side; i++) {
          if (values && (i + 1) * SIDE_OF_IMAGE ** 2 <= values.length) painter.put(imageOf(values, i), i);
          else painter.blank(i);
        }
        painter.show();
        shown = values;
      }
      const name = part === 'x-t' ? 'x at t' : 'what the network sees in x at t';
      setAttribute(canvas, 'aria-label', values ? `${count === 1 ? 'One picture' : `${count} pictures`}, ${name}${t === null ? ', pure noise' : ` = ${sayCount(t)}`}` : `No picture yet of ${name}`);
      setText(at, t === null ? '' : ` at t\u00a0=\u00a0${sayCount(t)}`);
      frame.hidden = count === 1;
      const size = side * (SIDE_OF_IMAGE + 1) + 1;
      const percent = (pixels) => `${((100 * pixels) / size).toFixed(2)}%`;
      Object.assign(frame.style, {
        left: percent((marked % side) * (SIDE_OF_IMAGE + 1)),
        top: percent(Math.floor(marked / side) * (SIDE_OF_IMAGE + 1)),
        width: percent(SIDE_OF_IMAGE + 2),
        height: percent(SIDE_OF_IMAGE + 2),
      });
    },
  };
}

// ------------------------------------------------------------------------------------- one digit through the whole walk

function filmFigure(lookAt) {
  const canvas = html('canvas', { role: 'img' });
  const frame = html('span', { class: 'marked-digit', 'aria-hidden': 'true', hidden: true });
  const labels = html('div', { class: 'times', 'aria-hidden': 'true' });
  const pictures = html('div', { class: 'film-pictures' }, canvas, frame);
  const element = html('div', { class: 'film strip' }, pictures, labels);
  const name = html('span', {}, '');
  const figure = html(
    'figure',
    { class: 'along' },
    html('figcaption', {}, html('b', {}, 'Step by step', name), html('span', { class: 'aside' }, 'Above ', sub('x', 't'), ', below ', hatted('x', '0'), ', with ', italic('t'), ' beneath. Click on a moment to look at it, or move ', italic('k'), '.')),
    element,
  );
  let most = 13; // columns that have room
  let columns = most;
  let painter = null;
  let key = '';
  let moments = [];
  let drawnChain;
  element.addEventListener('click', (event) => {
    const box = canvas.getBoundingClientRect();
    const column = Math.min(columns - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * columns)));
    if (moments.length) lookAt(moments[column]);
  });
  return {
    figure,
    resize: (width) => {
      most = width >= 640 ? 13 : width >= 460 ? 9 : 7;
    },
    draw: (chain, k, i, first) => {
      columns = chain ? Math.min(most, chain.of + 1) : most;
      if (!painter || painter.columns !== columns) {
        painter = makePainter(canvas, columns, 2);
        element.style.width = `${Math.min(100, (100 * (columns * 29 + 1)) / (most * 29 + 1)).toFixed(2)}%`;
        key = '';
      }
      const known = chain ? chain.known : -1;
      moments = chain ? Array.from({ length: columns }, (_, j) => Math.round((j * chain.of) / Math.max(1, columns - 1))) : [];
      const drawn = moments.filter((moment) => moment <= known).length;
      const now = `${chain ? chain.of : 0}|${i}|${drawn}|${columns}|${drawnChain === chain}`;
      if (now !== key) {
        key = now.replace(/false$/, 'true');
        drawnChain = chain;
        for (let j = 0; j < columns; j++) {
          for (const line of [0, 1]) {
            if (j < drawn) painter.put(imageOf((line ? chain.guesses : chain.states)[moments[j]], i), line * columns + j);
            else painter.blank(line * columns + j);
          }
        }
        painter.show();
        labels.style.gridTemplateColumns = `repeat(${columns}, 1fr)`;
        labels.replaceChildren(...Array.from({ length: columns }, (_, j) => html('span', {}, j < drawn ? sayCount(chain.times[moments[j]]) : '·')));
        setText(name, chain ? `, digit ${first + i + 1}` : '');
        setAttribute(canvas, 'aria-label', drawn > 0 ? `Digit ${first + i + 1} at ${drawn} moments from t = ${sayCount(chain.times[0])} to ${sayCount(chain.times[moments[drawn - 1]])}: x at t above, what the network sees in it below` : 'No moments yet of a digit on its way');
      }
      frame.hidden = k < 0;
      if (k >= 0) {
        const column = moments.findLastIndex((moment) => moment <= k);
        Object.assign(frame.style, { left: `${((2900 * column) / (29 * columns + 1)).toFixed(2)}%`, width: `${(3000 / (29 * columns + 1)).toFixed(2)}%` });
      }
    },
  };
}

// ----------------------------------------------------------------------------------------- how far the guess has to go

function settlingFigure(lookAt) {
  const plot = plotBox({ left: 40, right: 12, top: 10, bottom: 40 }, { class: 'plot scrub', role: 'img', 'aria-label': 'How far what the network sees is from the finished digit, against t; known when the walk has ended.' });
  const { element: box } = plot;
  const xAxis = new Axis(box, 'x');
  const yAxis = new Axis(box, 'y');
  const others = plot.path('each', 'x-0');
  const own = plot.path('own own-x-0', 'x-0');
  const marker = svg('line', { class: 'marker' });
  const dot = svg('circle', { class: 'dot', r: 4.5 });
  const note = svg('text', { class: 'label', 'text-anchor': 'middle' }, 'known when the walk has ended');
  const name = svg('text', { 'text-anchor': 'end', 'aria-hidden': 'true' }, 't, from noise to digits');
  box.append(plot.inside, marker, dot, note, name);
  const figure = html('figure', { class: 'settling' }, html('figcaption', {}, html('b', {}, hatted('x', '0'), ' settles'), html('span', { class: 'aside' }, 'distance from its end')), box);
  let x = linear(0, 1, 0, 1);
  let drawn = null;
  let of = 0;
  drags(box, {
    start: (at) => {
      if (!of) return false;
      lookAt(x.invert(at.x));
      return true;
    },
    move: (at) => lookAt(x.invert(at.x)),
  });
  return {
    figure,
    resize: () => {
      plot.resize();
      drawn = null;
    },
    draw: (run, k, i) => {
      const { left, right, top, bottom } = plot;
      const complete = Boolean(run && run.distances);
      of = complete ? run.of : 0;
      setAttribute(note, 'visibility', complete ? 'hidden' : 'visible');
      for (const part of [marker, dot]) setAttribute(part, 'visibility', complete ? 'visible' : 'hidden');
      place(note, { x: (left + right) / 2, y: (top + bottom) / 2 });
      place(name, { x: right, y: bottom + 36 });
      x = linear(0, complete ? run.of : 1, left, right);
      const high = complete ? Math.max(0.1, ...run.distances.map((each) => Math.max(...each))) * 1.05 : 1;
      const y = linear(0, high, bottom, top);
      const key = complete ? `${i}` : 'none';
      if (!drawn || drawn.run !== run || drawn.key !== key) {
        drawn = { run, key };
        yAxis.draw((complete ? ticks(0, high, 3) : [0]).map((v) => ({ at: y(v), label: sayExactly(v) })), left, right, left - 5);
        const marks = complete ? [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * run.of)) : [];
        xAxis.draw(marks.filter((v, j, all) => all.indexOf(v) === j).map((v, j, all) => ({ at: x(v), label: sayCount(run.chain.times[v]), anchor: j === all.length - 1 ? 'end' : 'middle' })), bottom, bottom + 5, bottom + 19);
        const line = (each) => curvePath(each.length, (j) => x(j), (j) => y(each[j]));
        setAttribute(others, 'd', complete ? run.distances.map(line).join('') : '');
        setAttribute(own, 'd', complete ? line(run.distances[i]) : '');
      }
      if (complete && k >= 0) {
        place(marker, { x1: x(k), x2: x(k), y1: top, y2: bottom });
        place(dot, { cx: x(k), cy: y(run.distances[i][k]) });
      }
    },
  };
}

export default { render };
