// The museum of slips in the page: choose one, and watch what it does to the sampler, beside the line of code.

import { html, setText } from './drawing.js';
import { chips, followPageMath, numbersTable, prose, slider, walkPlayer } from './controls.js';
import { Crowd, sharesApart, spreadsOfTruth, truthAt } from './crowd.js';
import { keepState, sentenceUnder } from './keeper.js';
import { MUSEUM_LIMITS, MUSEUM_STOPS, museumEntries, museumFrom, strengthIn } from './museum-state.js';
import { describeMuseum, differenceOf, sayShare } from './museum-words.js';
import { key } from './plot.js';
import { codeBeside, countsFigure, spreadsFigure, waysFigure } from './slip-figures.js';
import { HOOKS } from './slips.js';
import { stage } from './stage.js';
import { clamp, stops } from './state.js';
import { say, sayCount, sayExactly } from './words.js';

const USUAL = { slip: 'no-root', T: 100, t: 0, strength: null, seed: 1 };
const COUNT = 4000; // particles
const SHOWN = 40; // walks that are drawn
const SLICE = 3; // milliseconds of walking in one idle moment

function render({ model, el }) {
  const exhibits = model.get('exhibits');
  const exhibitOf = (name) => exhibits.find((one) => one.name === name);
  const state = { ...USUAL };
  const fromModel = () => {
    for (const name of ['T', 't', 'seed', 'strength']) {
      const value = model.get(name);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = name === 'strength' ? clamp(value, MUSEUM_LIMITS[name]) : Math.round(clamp(value, MUSEUM_LIMITS[name]));
    }
    if (model.get('strength') === null) state.strength = null;
    if (Object.prototype.hasOwnProperty.call(HOOKS, model.get('slip'))) state.slip = model.get('slip');
  };
  const kept = keepState({
    model,
    el,
    state,
    names: ['slip', 'T', 't', 'strength', 'seed'],
    fromModel,
    fromAddress: museumFrom,
    entries: museumEntries,
    settle: () => {
      state.t = Math.min(state.t, state.T);
      return ['t'];
    },
    update: () => update(),
  });
  const { change } = kept;
  const setT = (t) => change({ t: Math.round(clamp(t, [0, state.T])) });
  const enter = (name) => {
    const { T } = exhibitOf(name);
    change({ slip: name, T, t: Math.round((state.t / state.T) * T), strength: null });
  };

  // ------------------------------------------------------------------------------------------------------ the controls

  const rows = [
    ['Training', (one) => one.where === 'training' || one.where === 'schedule'],
    ['Sampling', (one) => one.where === 'sampling' && one.name !== 'none'],
    ['No slip', (one) => one.name === 'none'],
  ].map(([label, belongs]) => {
    const row = chips({ label, items: exhibits.filter(belongs).map((one) => ({ label: html('span', {}, ...prose(one.title)), name: one.name })), choose: (item) => enter(item.name) });
    row.element.dataset.control = 'slip';
    return row;
  });
  const lengthSlider = slider({ symbol: 'T', name: 'number of steps', colour: 'x-t', stops: MUSEUM_STOPS, limits: MUSEUM_LIMITS.T, marks: [40, 100, 300, 1000], whole: true, set: (T) => change({ T, t: Math.round((state.t / state.T) * T) }) });
  const tSlider = slider({ symbol: 't', name: 'where the walk stands', colour: 'x-t', stops: [0, 1], limits: [0, 1], whole: true, set: setT });
  const strengths = new Map(
    exhibits.filter((one) => one.strength).map((one) => {
      const { symbol, name, low, high, whole } = one.strength;
      const step = whole ? 1 : (high - low) / 20;
      const values = stops([low, high, step]);
      return [one.name, slider({ symbol, key: 'strength', name, colour: 'beta', stops: values, limits: [low, high], marks: [low, high], whole, set: (strength) => change({ strength }) })];
    }),
  );
  const playButton = html('button', { type: 'button', class: 'chip play', onclick: () => play(!run.playing) }, 'Play');
  const transport = html(
    'div',
    { class: 'transport', role: 'group', 'aria-label': 'Walk back' },
    playButton,
    html('button', { type: 'button', class: 'chip', onclick: () => (state.t > 0 ? setT(state.t - 1) : setT(state.T)) }, 'Step'),
    html('button', { type: 'button', class: 'chip', onclick: () => { run.set(false); setT(state.t === state.T ? 0 : state.T); } }, 'Reset'),
    html('button', { type: 'button', class: 'chip', onclick: () => change({ seed: state.seed >= MUSEUM_LIMITS.seed[1] ? 0 : state.seed + 1 }) }, 'New noise'),
  );

  // ------------------------------------------------------------------------------------------------------- the figures

  const title = html('p', { class: 'title' }, '');
  const code = codeBeside(differenceOf);
  const account = html('div', {});
  const ways = waysFigure('Walks of some particles with the slip, time running down from T to 0, x across. The sentence and the table below give the numbers.', setT);
  const counts = countsFigure('The particles at t, counted on bars, with the law that they ought to have.');
  const spreads = spreadsFigure('The standard deviation of the particles along the walk, with what it ought to be, on a logarithmic axis.', setT);
  const lawTitle = html('span', {}, '');
  const keys = (kind) => html('span', { class: 'keys' }, key('particles', kind, 'particles'), key('law', 'ought', 'as it ought to be'));
  const figure = (name, caption, element) => html('figure', { class: name }, html('figcaption', {}, ...caption), element);
  const words = sentenceUnder(() => kept.touched && !run.playing);
  const table = numbersTable('What the figures show now');
  const outer = html(
    'div',
    { class: 'ddpm slips museum', role: 'group', 'aria-label': 'The museum of slips' },
    html('div', { class: 'exhibits' }, ...rows.map((row) => row.element)),
    title,
    code.element,
    account,
    html('div', { class: 'controls three' }, tSlider.element, lengthSlider.element, ...[...strengths.values()].map((one) => one.element)),
    html('div', { class: 'moves' }, transport),
    html(
      'div',
      { class: 'figures' },
      figure('ways', [html('b', {}, 'The walk back'), html('span', { class: 'aside' }, `${SHOWN} of ${sayCount(COUNT)} walks. Drag up or down to move t.`)], ways.element),
      figure('counts', [html('b', {}, 'Where they are', lawTitle), keys('particles'), html('span', { class: 'aside' }, 'Share in each bar, on a root axis; dotted at ±1.')], counts.element),
      figure('spreads', [html('b', {}, 'Standard deviation along the walk'), keys('exact')], spreads.element),
    ),
    words.says,
    words.spoken,
    table.element,
  );
  el.append(outer);

  const { run, play } = walkPlayer({ root: outer, state, setT, playButton, announce: words.announce });

  // -------------------------------------------------------------------------------------------------------- the walking

  let crowds = null; // with the slip, and without it
  let made = '';
  const prepare = () => {
    const strength = strengthIn(exhibitOf(state.slip), state.strength);
    const wanted = JSON.stringify([state.slip, state.T, strength, state.seed]);
    if (wanted === made) return;
    made = wanted;
    const common = { name: state.slip, T: state.T, strength, seed: state.seed, count: COUNT };
    crowds = { own: new Crowd({ ...common, kept: SHOWN }), other: new Crowd({ ...common, without: true }), ought: spreadsOfTruth(state.T) };
  };
  /** Walks for some milliseconds; true when there is more to do. */
  const work = (milliseconds) => {
    const until = performance.now() + milliseconds;
    for (const crowd of [crowds.own, crowds.other]) if (!crowd.finished && performance.now() < until) crowd.work(until);
    return !crowds.own.finished || !crowds.other.finished;
  };

  // ---------------------------------------------------------------------------------------------------- drawing it all

  let shapedFor = 0;
  let entered = '';
  const draw = (visible) => {
    prepare();
    const more = visible && work(crowds.own.done < SHOWN ? 4 : 0.5);
    const { T, t, slip } = state;
    const exhibit = exhibitOf(slip);
    if (shapedFor !== T) {
      shapedFor = T;
      tSlider.reshape(stops([0, T, 1]), [0, T], [0, Math.round(T / 2), T]);
    }
    if (entered !== slip) {
      entered = slip;
      title.replaceChildren(...prose(slip === 'none' ? 'As it should be' : exhibit.title));
      code.show(exhibit);
      const line = (name, text) => html('p', { class: 'account' }, html('b', {}, name), ' ', ...prose(text));
      account.replaceChildren(...(slip === 'none' ? [html('p', { class: 'account' }, ...prose(exhibit.seen))] : [line('What one sees.', exhibit.seen), line('Why.', exhibit.why)]));
    }
    for (const row of rows) row.show((item) => item.name === slip);
    for (const [name, one] of strengths) one.element.hidden = name !== slip;
    if (strengths.has(slip)) strengths.get(slip).show(crowds.own.plan.strength);
    lengthSlider.show(T);
    tSlider.show(t);

    const truth = truthAt(T, t);
    const of = (crowd) => ({ ...crowd.momentsAt(t), distance: sharesApart(crowd.sharesAt(t), truth.shares) });
    const any = crowds.own.done > 0;
    const own = crowds.own.finished ? of(crowds.own) : null;
    const other = crowds.other.finished ? of(crowds.other) : null;
    ways.draw({ T, t, paths: crowds.own.ways });
    if (any) {
      const shares = crowds.own.sharesAt(t);
      counts.draw({ own: shares, ought: truth.shares }, ...crowds.own.besideAt(t));
      spreads.draw({ T, t, own: crowds.own.spreads(), ought: crowds.ought });
    }
    setText(lawTitle, ` at t = ${sayCount(t)}`);
    words.show(describeMuseum({ name: slip, T, t, count: COUNT, own, other, truth }));
    table.show(() => [
      ['slip', exhibit.title],
      ['T', sayCount(T)],
      ['t', sayCount(t)],
      ...(exhibit.strength ? [[`${exhibit.strength.symbol}, ${exhibit.strength.name}`, sayExactly(crowds.own.plan.strength)]] : []),
      ['particles', sayCount(crowds.own.done)],
      ['seed', sayCount(state.seed)],
      ['mean', own ? say(own.mean) : '–'],
      ['mean as it ought to be', say(truth.mean)],
      ['standard deviation', own ? say(own.sd) : '–'],
      ['standard deviation as it ought to be', say(truth.sd)],
      ['share beyond ±1', own ? sayShare(own.beyond) : '–'],
      ['share beyond ±1 as it ought to be', sayShare(truth.beyond)],
      ['total variation to the law it ought to have', own ? say(own.distance) : '–'],
      ['the same without the slip', other ? say(other.distance) : '–'],
    ]);
    kept.save();
    return more;
  };

  const { update, stop } = stage(outer, [ways, counts, spreads], draw, (late) => {
    const more = work(SLICE);
    if (!more || late) update();
    return more;
  });
  const unfollow = followPageMath(outer);

  return () => {
    unfollow();
    run.stop();
    stop();
    words.announce.cancel();
    kept.stop();
  };
}

export default { render };
