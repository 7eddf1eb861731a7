// A quiz on the museum: here is a symptom, worked out by the slipped sampler; which slip is it?

import { html, setAttribute, setText } from './drawing.js';
import { followPageMath, numbersTable, prose, uniqueId } from './controls.js';
import { Crowd, sharesApart, spreadsOfTruth, truthAt } from './crowd.js';
import { keepState, sentenceUnder } from './keeper.js';
import { strengthIn } from './museum-state.js';
import { differenceOf, sayShare } from './museum-words.js';
import { key } from './plot.js';
import { QUIZ_LIMITS, QUIZ_T, questionsOf, quizEntries, quizFrom } from './quiz-state.js';
import { capital, describeOther, describeScore, describeSymptom } from './quiz-words.js';
import { codeBeside, countsFigure, spreadsFigure } from './slip-figures.js';
import { stage } from './stage.js';
import { clamp } from './state.js';
import { say, sayCount } from './words.js';

const COUNT = 4000; // particles
const SLICE = 3; // milliseconds of walking in one idle moment

const MARKS = { right: '✓', shown: '–' };

function render({ model, el }) {
  const exhibits = model.get('exhibits');
  const exhibitOf = (name) => exhibits.find((one) => one.name === name);
  const state = { question: 1, seed: 1 };
  const fromModel = () => {
    for (const [name, limits] of Object.entries(QUIZ_LIMITS)) {
      const value = model.get(name);
      if (typeof value === 'number' && Number.isFinite(value)) state[name] = Math.round(clamp(value, limits));
    }
  };
  const kept = keepState({ model, el, state, names: ['question', 'seed'], fromModel, fromAddress: quizFrom, entries: quizEntries, update: () => update() });
  const { change } = kept;

  // ------------------------------------------------------------------------------------------------------ what is known

  let questions = questionsOf(state.seed);
  let questionsFor = state.seed;
  const results = new Map(); // slip → {state: 'right' | 'shown' | null, tries, answer}
  const resultOf = (slip) => results.get(slip) || { state: null, tries: 0, answer: '' };
  const stored = (slip) => `museum-${slip}`;
  /** Takes what the page has kept of earlier visits; a page without exercises.js keeps nothing. */
  const remember = () => {
    for (const { slip } of questions) {
      const entry = window.ddpmProgress && window.ddpmProgress.get(stored(slip));
      if (entry) results.set(slip, { state: entry.state === 'right' || entry.state === 'shown' ? entry.state : null, tries: entry.tries || 0, answer: entry.answer || '' });
      else if (window.ddpmProgress) results.delete(slip);
    }
  };
  const tellPage = (slip) => {
    const { state: reached, tries, answer } = resultOf(slip);
    const detail = { name: stored(slip), kind: 'quiz', state: results.has(slip) ? reached || 'tried' : null, tries, answer };
    document.dispatchEvent(new CustomEvent('ddpm:progress', { detail }));
  };
  const forget = () => {
    results.clear();
    for (const { slip } of questions) tellPage(slip);
    made = '';
  };

  let picked = ''; // the answer whose button is pressed
  let compared = ''; // the slip that is drawn beside the symptom
  let said = ''; // what the verdict is about: '', 'wrong', 'right', 'shown'
  const current = () => questions[state.question - 1];
  const settled = () => resultOf(current().slip).state !== null;
  const go = (question) => change({ question });

  const check = () => {
    const { slip } = current();
    if (!picked || settled()) return;
    const before = resultOf(slip);
    const right = picked === slip;
    results.set(slip, { state: right ? 'right' : null, tries: before.tries + 1, answer: picked });
    said = right ? 'right' : 'wrong';
    compared = right ? '' : picked;
    tellPage(slip);
    update();
  };
  const reveal = () => {
    const { slip } = current();
    if (settled()) return;
    results.set(slip, { ...resultOf(slip), state: 'shown' });
    said = 'shown';
    compared = picked && picked !== slip ? picked : '';
    tellPage(slip);
    update();
  };
  const pick = (name) => {
    picked = name;
    if (settled()) compared = name === current().slip ? '' : name;
    update();
  };

  // ------------------------------------------------------------------------------------------------------ the controls

  const steps = questions.map((_, i) => html('button', { type: 'button', class: 'chip', onclick: () => go(i + 1) }, String(i + 1)));
  const progress = html('div', { class: 'question-row', role: 'group', 'aria-label': 'Questions', 'data-control': 'question' }, ...steps);
  const group = uniqueId('answers');
  const options = html('div', {});
  const asked = html('fieldset', { 'data-control': 'answers', 'data-stays': '' }, html('legend', {}, 'Which slip is it?'), options);
  const button = (label, press) => html('button', { type: 'button', class: 'chip', onclick: press }, label);
  const checkButton = button('Check', check);
  const showButton = button('Show which it is', reveal);
  const nextButton = button('Next', () => go((state.question % questions.length) + 1));
  const score = html('span', { class: 'chips-label' }, '');
  const verdict = html('div', { class: 'outcome', role: 'status' });
  const code = codeBeside(differenceOf);

  // ------------------------------------------------------------------------------------------------------- the figures

  const title = html('p', { class: 'title' }, '');
  const counts = countsFigure('The particles at the end, counted on bars, with the law that they ought to have.');
  const spreads = spreadsFigure('The standard deviation of the particles along the walk, with what it ought to be, on a logarithmic axis.');
  const otherKeys = [0, 1].map(() => key('other', 'other', html('span', {}, '')));
  const keys = (kind, other) => html('span', { class: 'keys' }, key('particles', kind, 'particles'), key('law', 'ought', 'as it ought to be'), other);
  const figure = (name, caption, element) => html('figure', { class: name }, html('figcaption', {}, ...caption), element);
  const words = sentenceUnder(() => kept.touched);
  const table = numbersTable('The symptom in numbers');
  const outer = html(
    'div',
    { class: 'ddpm slips quiz', role: 'group', 'aria-label': 'Which slip is it?' },
    progress,
    title,
    html(
      'div',
      { class: 'figures' },
      figure('counts', [html('b', {}, 'Where they are at the end'), keys('particles', otherKeys[0]), html('span', { class: 'aside' }, 'Share in each bar, on a root axis; dotted at ±1.')], counts.element),
      figure('spreads', [html('b', {}, 'Standard deviation along the walk'), keys('exact', otherKeys[1])], spreads.element),
    ),
    words.says,
    words.spoken,
    asked,
    html('div', { class: 'moves', 'data-stays': '' }, html('div', { class: 'transport', role: 'group', 'aria-label': 'Answer', 'data-stays': '' }, checkButton, showButton, nextButton)),
    verdict,
    code.element,
    html('div', { class: 'moves' }, html('div', { class: 'transport', role: 'group', 'aria-label': 'The quiz' }, button('Start again', () => (forget(), change({ question: 1 }))), button('Other questions', () => (forget(), change({ question: 1, seed: state.seed >= QUIZ_LIMITS.seed[1] ? 0 : state.seed + 1 })))), score),
    table.element,
  );
  el.append(outer);

  // -------------------------------------------------------------------------------------------------------- the walking

  const crowds = new Map(); // of this question: its own, and those that were picked
  let made = '';
  const crowdOf = (name) => {
    if (!crowds.has(name)) {
      crowds.set(name, new Crowd({ name, T: QUIZ_T, strength: strengthIn(exhibitOf(name), null), seed: current().noise, count: COUNT }));
    }
    return crowds.get(name);
  };
  const work = (milliseconds) => {
    const until = performance.now() + milliseconds;
    for (const crowd of crowds.values()) if (!crowd.finished && performance.now() < until) crowd.work(until);
    return [...crowds.values()].some((crowd) => !crowd.finished);
  };

  // ---------------------------------------------------------------------------------------------------- drawing it all

  const prepare = () => {
    if (questionsFor !== state.seed) {
      questionsFor = state.seed;
      questions = questionsOf(state.seed);
    }
    const wanted = `${state.question} ${state.seed}`;
    if (made === wanted) return;
    made = wanted;
    crowds.clear();
    const { slip, answers } = current();
    const result = resultOf(slip);
    picked = result.state && answers.includes(result.answer) ? result.answer : '';
    said = result.state || '';
    compared = '';
    options.replaceChildren(
      ...answers.map((name) => {
        const id = uniqueId('answer');
        const { title: called, wrong } = exhibitOf(name);
        const input = html('input', { type: 'radio', name: group, id, value: name, onchange: () => pick(name) });
        input.checked = name === picked;
        return html('div', { class: 'option' }, input, html('label', { for: id }, ...prose(capital(called)), html('br'), html('code', {}, wrong)));
      }),
    );
  };

  const showVerdict = () => {
    const { slip } = current();
    const own = exhibitOf(slip);
    const paragraph = (name, text) => html('p', {}, html('b', {}, name), ' ', ...prose(text));
    const parts = [];
    if (said === 'wrong') parts.push(paragraph('No.', 'Look again: what you picked is drawn beside the symptom.'));
    if (said === 'right') parts.push(paragraph('Right.', `${capital(own.title)}. What gives it away: ${own.seen}`), paragraph('Why.', own.why));
    if (said === 'shown') parts.push(paragraph('It is this:', `${own.title}. What gives it away: ${own.seen}`), paragraph('Why.', own.why));
    if (compared) {
      const crowd = crowdOf(compared);
      const other = exhibitOf(compared);
      const numbers = crowd.finished ? describeOther({ own: { ...crowd.momentsAt(0), distance: distanceOf(crowd) }, middle: crowd.momentsAt(Math.round(crowd.T / 2)) }) : '';
      parts.push(paragraph(`${capital(other.title)} would have looked otherwise.`, `${other.seen} ${numbers}`));
    }
    const text = parts.map((part) => part.textContent).join(' ');
    if (verdict.dataset.text !== text) {
      verdict.dataset.text = text;
      verdict.replaceChildren(...parts);
    }
    code.show(said === 'right' || said === 'shown' ? own : { wrong: '', right: '' });
  };
  const distanceOf = (crowd) => sharesApart(crowd.sharesAt(0), truthAt(crowd.T, 0).shares);

  const draw = (visible) => {
    prepare();
    const { slip } = current();
    const crowd = crowdOf(slip);
    const other = compared ? crowdOf(compared) : null;
    const more = visible && work(0.5);
    const { T } = crowd;
    const middle = Math.round(T / 2);
    const truth = truthAt(T, 0);
    const wanted = spreadsOfTruth(T);

    setText(title, `Symptom ${state.question} of ${questions.length}`);
    steps.forEach((step, i) => {
      const { state: reached } = resultOf(questions[i].slip);
      setText(step, `${i + 1}${reached ? ` ${MARKS[reached]}` : ''}`);
      setAttribute(step, 'aria-label', `Question ${i + 1}${reached ? `, ${reached}` : ''}`);
      setAttribute(step, 'aria-current', i + 1 === state.question ? 'true' : 'false');
      setAttribute(step, 'aria-pressed', i + 1 === state.question ? 'true' : 'false');
    });
    setText(score, describeScore(questions.map((one) => resultOf(one.slip))));
    for (const one of otherKeys) {
      one.hidden = !compared;
      one.lastChild.replaceChildren(...(compared ? prose(exhibitOf(compared).title) : []));
    }
    const ready = other && other.done > 0;
    if (crowd.done > 0) {
      counts.draw({ own: crowd.sharesAt(0), ought: truth.shares, other: ready ? other.sharesAt(0) : null }, ...crowd.besideAt(0));
      spreads.draw({ T, own: crowd.spreads(), ought: wanted, other: ready ? other.spreads() : null });
    }
    const own = crowd.finished ? { ...crowd.momentsAt(0), distance: sharesApart(crowd.sharesAt(0), truth.shares) } : null;
    words.show(describeSymptom({ T, count: COUNT, own, truth, middle: crowd.finished ? crowd.momentsAt(middle) : null, middleOught: wanted[middle] }));
    showVerdict();
    const done = settled();
    checkButton.disabled = !picked || done;
    showButton.disabled = done;
    table.show(() => [
      ['question', sayCount(state.question)],
      ['seed', sayCount(state.seed)],
      ['T', sayCount(T)],
      ['particles', sayCount(crowd.done)],
      ['mean', own ? say(own.mean) : '–'],
      ['mean as it ought to be', say(truth.mean)],
      ['standard deviation', own ? say(own.sd) : '–'],
      ['standard deviation as it ought to be', say(truth.sd)],
      ['share beyond ±1', own ? sayShare(own.beyond) : '–'],
      ['share beyond ±1 as it ought to be', sayShare(truth.beyond)],
      ['total variation to the law it ought to have', own ? say(own.distance) : '–'],
      ['standard deviation at half of the way', own ? say(crowd.momentsAt(middle).sd) : '–'],
      ['the same as it ought to be', say(wanted[middle])],
    ]);
    kept.save();
    return more;
  };

  const { update, stop } = stage(outer, [counts, spreads], draw, (late) => {
    const more = work(SLICE);
    if (!more || late) update();
    return more;
  });
  const readAgain = () => {
    remember();
    made = '';
    update();
  };
  remember();
  document.addEventListener('ddpm:progress-changed', readAgain);
  window.addEventListener('load', readAgain);
  const unfollow = followPageMath(outer);

  return () => {
    unfollow();
    document.removeEventListener('ddpm:progress-changed', readAgain);
    window.removeEventListener('load', readAgain);
    stop();
    words.announce.cancel();
    kept.stop();
  };
}

export default { render };
