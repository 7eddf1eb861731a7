// Exercises: judges numbers, remembers how far the reader has come, and lists it. Without this script the answers stand folded.
(() => {
  'use strict';
  if (window.ddpmProgress) return; // the theme may load this file twice

  // ------------------------------------------------------------- reading and judging, no DOM: as ddpm_edu/exercises/answers.py

  const NO_NUMBER = 'Type one number, like `0.25`, `25 %` or `1/4`.';
  const DECIMAL = '(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)';
  const PLAIN = new RegExp(`^[+-]?${DECIMAL}(?:[eE][+-]?[0-9]+)?$`);
  const POWER = new RegExp(`^([+-]?)(?:(${DECIMAL})\\s*[*·×x]\\s*)?10\\s*(?:\\^|\\*\\*)\\s*\\(?([+-]?[0-9]+)\\)?$`);
  const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

  const refuse = (sentence) => {
    throw new RangeError(sentence);
  };

  const quote = (text) => {
    const short = text.replace(/\s+/g, ' ').trim();
    return `\`${short.length <= 38 ? short : `${short.slice(0, 37)}…`}\``;
  };

  const finite = (number, quoted) => (Number.isFinite(number) ? number : refuse(`${quoted} is not a finite number; the answer is one.`));

  const readPart = (part, quoted) => {
    const ambiguous = part.match(/^[+-]?([1-9][0-9]{0,2}),([0-9]{3})$/);
    if (ambiguous) refuse(`${quoted} can be read in two ways: type \`${ambiguous[1]}${ambiguous[2]}\` or \`${ambiguous[1]}.${ambiguous[2]}\`.`);
    let text = part.replace(/([0-9])[\s'’_](?=[0-9]{3}(?![0-9]))/g, '$1');
    if (/^[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?$/.test(text) && (text.split(',').length > 2 || text.includes('.'))) text = text.replace(/,/g, '');
    if (text.split(',').length === 2 && !text.includes('.')) text = text.replace(',', '.');
    if (PLAIN.test(text)) return Number(text);
    const power = text.match(POWER);
    if (power) return Number(`${power[1]}${power[2] || 1}e${power[3]}`);
    if (['nan', 'inf', 'infinity', '∞'].includes(text.toLowerCase().replace(/^[+-]+/, ''))) finite(NaN, quoted);
    return refuse(`${quoted} is no number that I can read. ${NO_NUMBER}`);
  };

  /** What was typed, as readings: the number and, behind a per cent sign, also the number before the sign. Throws a sentence. */
  const read = (text) => {
    const quoted = quote(text);
    let plain = text
      .trim()
      .replace(/[−–]/g, '-')
      .replace(/[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+/g, (raised) => `^${[...raised].map((c) => (c === '⁻' ? '-' : SUPERSCRIPTS.indexOf(c))).join('')}`)
      .replace(/^(≈|~|=|about|ca\.)\s*/, '');
    if (!plain) refuse(`There is nothing to judge yet. ${NO_NUMBER}`);
    const percent = plain.match(/^(.*?)\s*(?:%|per ?cent)$/s);
    if (percent) plain = percent[1];
    const slash = plain.indexOf('/');
    let number = readPart((slash < 0 ? plain : plain.slice(0, slash)).trim(), quoted);
    if (slash >= 0) {
      const divisor = readPart(plain.slice(slash + 1).trim(), quoted);
      if (divisor === 0) refuse(`${quoted} divides by 0.`);
      number /= divisor;
    }
    finite(number, quoted);
    return percent ? [number / 100, number] : [number];
  };

  const digits = (x) => String(Number(x.toPrecision(2)));

  const close = (data, off) =>
    data.relative == null
      ? `Close: you are off by ${digits(off)}, and no more than ${digits(data.tolerance)} is asked.`
      : `Close: you are off by ${digits((100 * off) / Math.abs(data.answer))} %, and ${digits(100 * data.relative)} % is asked.`;

  const hint = (data, number) => {
    const fits = (entry) => Math.abs(number - entry.value) <= entry.tolerance;
    const off = Math.abs(number - data.answer);
    return data.slips.find(fits)?.says ?? (off <= data.near ? close(data, off) : data.confusions.find(fits)?.says);
  };

  const size = (right, number) => {
    const far = number * right > 0 && !(number / right >= 0.1 && number / right <= 10);
    return `Too ${number > right ? 'large' : 'small'}${far ? ', by more than a factor of ten' : ''}.`;
  };

  /** Whether the text is the answer, whether it is a number at all, and what to say. */
  const judge = (data, text) => {
    let readings;
    try {
      readings = read(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { right: false, number: false, says: `Not yet. ${error.message}` };
    }
    const right = readings.some((number) => Math.abs(number - data.answer) <= data.tolerance);
    if (right) return { right, number: true, says: `Right. More exactly: ${data.shown}.` };
    const hints = readings.map((number) => hint(data, number)).filter(Boolean);
    return { right, number: true, says: `Not yet. ${hints[0] ?? size(data.answer, readings[0])}` };
  };

  // ------------------------------------------------------------------------------------------------- what is remembered

  const KEY = 'ddpm-edu-progress';
  const VERSION = 1;
  const LONGEST = 200;
  const KINDS = ['predict', 'prove', 'program', 'quiz'];
  const STATES = ['tried', 'shown', 'done', 'right']; // from little to much
  const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;

  /** An entry with nothing foreign in it, or null. */
  const tidy = (name, entry) => {
    if (!NAME.test(name) || name.length > 60 || typeof entry !== 'object' || entry === null) return null;
    if (!KINDS.includes(entry.kind) || !STATES.includes(entry.state)) return null;
    const tries = Number.isInteger(entry.tries) && entry.tries >= 0 ? Math.min(entry.tries, 9999) : 0;
    const kept = { kind: entry.kind, state: entry.state, tries };
    for (const part of ['answer', 'typed']) {
      if (typeof entry[part] === 'string' && entry[part].length <= LONGEST) kept[part] = entry[part];
    }
    return kept;
  };

  /** The entries that a text holds; null where it holds no progress of this book. */
  const parse = (text) => {
    let found;
    try {
      found = JSON.parse(text);
    } catch {
      return null;
    }
    if (found?.version !== VERSION || typeof found.exercises !== 'object' || found.exercises === null) return null;
    const kept = {};
    for (const [name, entry] of Object.entries(found.exercises)) {
      const good = tidy(name, entry);
      if (good) kept[name] = good;
    }
    return kept;
  };

  let refused = false; // the browser keeps nothing, so `memory` does until the page is left
  let memory = {};

  const load = () => {
    if (refused) return memory;
    try {
      memory = parse(localStorage.getItem(KEY) ?? '') ?? {};
    } catch {
      refused = true;
    }
    return memory;
  };

  const text = (entries) => JSON.stringify({ version: VERSION, exercises: entries });

  const save = (entries) => {
    memory = entries;
    if (refused) return;
    try {
      localStorage.setItem(KEY, text(entries));
    } catch {
      refused = true;
    }
  };

  const drawers = []; // each draws its part of the page from the entries
  const draw = () => {
    const entries = load();
    for (const drawer of drawers) drawer(entries);
  };
  const redraw = () => {
    draw();
    document.dispatchEvent(new Event('ddpm:progress-changed'));
  };

  /** Set an entry, or forget it where it is null; what other tabs have written in the meantime stays. */
  const put = (name, entry) => {
    const entries = { ...load() };
    const good = entry && tidy(name, entry);
    if (good) entries[name] = good;
    else delete entries[name];
    save(entries);
    draw();
  };

  const get = (name) => (Object.hasOwn(load(), name) ? { ...load()[name] } : null);

  const merge = (entries, others) => {
    const merged = { ...entries };
    let taken = 0;
    for (const [name, entry] of Object.entries(others)) {
      if (Object.hasOwn(entries, name) && STATES.indexOf(entries[name].state) >= STATES.indexOf(entry.state)) continue;
      merged[name] = entry;
      taken += 1;
    }
    return { merged, taken };
  };

  window.ddpmProgress = { get, judge, read };

  // --------------------------------------------------------------------------------------------------------- the page

  const html = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  /** A sentence with code between backticks, and with indices set low: x_t, ᾱ_{t−1}. */
  const sentence = (words) =>
    words.split('`').flatMap((part, at) => {
      if (at % 2) return html('code', { class: 'literal' }, part);
      return part.split(/(?<=[\p{L}\p{M}])_(\{[^}]+\}|[\p{L}\d](?![\p{L}\d]))/u).map((piece, i) => (i % 2 ? html('sub', {}, piece.replace(/[{}]/g, '')) : piece));
    });

  const SAID = { right: '✓ right', done: '✓ done', shown: 'answer shown', tried: 'begun' };
  const KEPT_NOT = 'Your browser refuses to keep anything for this page, so what you do here is forgotten when you leave it.';
  let complained = false;

  /** Says once on a page, behind the element that was used, that nothing is kept. */
  const complainAfter = (element) => {
    if (!refused || complained) return;
    complained = true;
    element.append(html('p', { class: 'exercise-refused', role: 'status' }, KEPT_NOT));
  };

  const nameOf = (root) => root.id.replace(/^ex-/, '');

  const state = (title) => {
    const shown = html('span', { class: 'exercise-state' });
    title.append(shown);
    return (entry) => {
      shown.textContent = entry && (entry.kind === 'predict' || entry.kind === 'quiz') && entry.state !== 'tried' ? SAID[entry.state] : '';
    };
  };

  const prediction = (root) => {
    const name = nameOf(root);
    const place = root.querySelector('.predict-form');
    const data = JSON.parse(place.querySelector('.predict-data').textContent);
    const details = place.querySelector('.predict-answer');
    const showState = state(root.querySelector('.admonition-title'));
    const said = html('p', { class: 'predict-says', role: 'status', 'aria-live': 'polite', id: `says-${name}` });
    const small = data.answer < 1e-3; // a minus sign or an exponent may be wanted, which a phone's number pad has not
    const field = html('input', {
      type: 'text',
      inputmode: small ? 'text' : 'decimal',
      autocomplete: 'off',
      autocapitalize: 'off',
      spellcheck: 'false',
      maxlength: 60,
      id: `number-${name}`,
      'aria-describedby': said.id,
    });
    const begun = () => get(name) ?? { kind: 'predict', state: 'tried', tries: 0 };
    const keep = (change) => {
      put(name, { ...begun(), ...change, kind: 'predict' });
      complainAfter(place);
    };
    const say = (words, mark = '') => {
      const key = mark + words;
      if (said.dataset.key === key) return; // not twice to a screen reader
      said.dataset.key = key;
      said.className = `predict-says ${mark}`;
      said.replaceChildren(...sentence(words));
    };
    const check = (event) => {
      event.preventDefault();
      const entry = begun();
      const found = judge(data, field.value);
      const solved = entry.state === 'right' || entry.state === 'shown';
      if (found.right) keep({ state: entry.state === 'shown' ? 'shown' : 'right', tries: entry.tries + (solved ? 0 : 1), answer: field.value, typed: undefined });
      else if (found.number && !solved) keep({ state: 'tried', tries: entry.tries + 1, answer: field.value, typed: undefined });
      said.dataset.key = '';
      say(found.says, found.right ? 'right' : 'wrong');
      if (!found.right) field.focus();
    };
    const giveUp = () => {
      keep({ state: 'shown' });
      details.querySelector('summary').focus();
    };
    const show = html('button', { type: 'button', onclick: giveUp }, 'Show the answer');
    const form = html(
      'form',
      { class: 'predict-row', novalidate: '', onsubmit: check },
      html('label', { for: field.id }, 'Your number'),
      field,
      html('button', { type: 'submit' }, 'Check'),
      show,
    );
    field.addEventListener('change', () => {
      const entry = begun();
      if (entry.state === 'tried' && field.value !== (entry.typed ?? entry.answer ?? '')) keep({ typed: field.value });
    });
    let revealed = false;
    let drawn = '';
    drawers.push((entries) => {
      const entry = entries[name]?.kind === 'predict' ? entries[name] : null;
      const open = entry?.state === 'right' || entry?.state === 'shown';
      if (document.activeElement !== field) field.value = entry?.typed ?? entry?.answer ?? '';
      showState(entry);
      show.hidden = open || !(entry?.tries >= 2);
      details.hidden = !open;
      if (open && !revealed) details.open = true;
      revealed = open;
      // What was said stays until this entry changes: a line more or less would move a button that is just being pressed.
      const now = JSON.stringify([entry?.state, entry?.tries, entry?.answer]);
      if (now === drawn) return;
      drawn = now;
      if (entry?.state === 'shown') say(`The answer is ${data.shown}.`, 'shown');
      else if (entry?.state === 'right') say(`Right. More exactly: ${data.shown}.`, 'right');
      else if (entry?.tries && entry.answer !== undefined) say(judge(data, entry.answer).says, 'wrong');
      else say('');
    });
    details.querySelector('summary').textContent = 'Why';
    root.classList.add('has-form');
    place.prepend(form, said);
  };

  /** A box to tick, for what nobody but the reader can judge. */
  const ticked = (root) => {
    const name = nameOf(root);
    const kind = root.classList.contains('kind-program') ? 'program' : 'prove';
    const number = root.querySelector('.caption-number')?.textContent.trim() ?? 'this exercise';
    const box = html('input', {
      type: 'checkbox',
      'aria-label': `Done: ${number}`,
      onchange: () => {
        put(name, box.checked ? { kind, state: 'done', tries: 0 } : null);
        complainAfter(root);
      },
    });
    root.querySelector('.admonition-title').append(html('label', { class: 'exercise-done' }, box, 'Done'));
    drawers.push((entries) => {
      box.checked = entries[name]?.state === 'done';
    });
  };

  const solvedIn = (entries) => (name) => Boolean(entries[name]) && entries[name].state !== 'tried';

  const list = (root) => {
    const items = [...root.children];
    const names = items.map((item) => item.id.replace(/^progress-/, ''));
    const count = html('p', { class: 'exercise-count' });
    root.before(count);
    const shown = items.map((item) => {
      const place = html('span', { class: 'exercise-state' });
      item.querySelector('p').append(' ', place);
      return place;
    });
    drawers.push((entries) => {
      names.forEach((name, i) => {
        const said = entries[name] ? SAID[entries[name].state] : '';
        shown[i].textContent = said;
        items[i].classList.toggle('solved', said.startsWith('✓'));
      });
      count.textContent = `${names.filter(solvedIn(entries)).length} of ${names.length} done`;
    });
    return names;
  };

  const panel = (root, names) => {
    const count = html('p', { class: 'exercise-total', role: 'status' });
    const said = html('p', { class: 'exercise-message', role: 'status' });
    const files = html('input', { type: 'file', accept: '.json,application/json', 'aria-label': 'A file with progress', hidden: '' });
    const save_ = () => {
      const link = html('a', { download: 'ddpm-edu-progress.json', href: URL.createObjectURL(new Blob([text(load())], { type: 'application/json' })) });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      said.textContent = 'Saved as ddpm-edu-progress.json.';
    };
    const take = async () => {
      const [file] = files.files;
      files.value = '';
      if (!file) return;
      const found = file.size <= 1e6 ? parse(await file.text().catch(() => '')) : null;
      if (!found) {
        said.textContent = `${file.name} holds no progress of this book, so nothing was changed.`;
        return;
      }
      const { merged, taken } = merge(load(), found);
      save(merged);
      redraw();
      const held = Object.keys(found).length;
      said.textContent = `${file.name} holds ${held} ${held === 1 ? 'exercise' : 'exercises'}; ${taken} of them ${taken === 1 ? 'was' : 'were'} not here yet, or further than here.`;
      complainAfter(root);
    };
    const clear = () => {
      if (!window.confirm('Forget all progress in this browser? Export it first if you may want it back.')) return;
      save({});
      redraw();
      said.textContent = 'All progress is forgotten.';
      complainAfter(root);
    };
    files.addEventListener('change', take);
    root.append(
      count,
      html(
        'p',
        { class: 'exercise-buttons' },
        html('button', { type: 'button', onclick: save_ }, 'Export'),
        html('button', { type: 'button', onclick: () => files.click() }, 'Import'),
        html('button', { type: 'button', onclick: clear }, 'Clear'),
        files,
      ),
      said,
    );
    drawers.push((entries) => {
      const solved = names.filter(solvedIn(entries));
      const shown = solved.filter((name) => entries[name].state === 'shown').length;
      const quiz = Object.values(entries).filter((entry) => entry.kind === 'quiz');
      const right = quiz.filter((entry) => entry.state === 'right').length;
      count.textContent =
        `${solved.length} of ${names.length} done` +
        (shown ? `, ${shown} of them with the answer shown` : '') +
        (quiz.length ? `. In the bug museum’s quiz: ${right} right` : '') +
        '.';
    });
  };

  const start = () => {
    for (const root of document.querySelectorAll('div.exercise[id^="ex-"]')) {
      if (root.querySelector('.predict-form')) prediction(root);
      else ticked(root);
    }
    const names = [...document.querySelectorAll('ul.all-exercises')].flatMap(list);
    for (const root of document.querySelectorAll('.exercise-progress')) panel(root, names);
    draw();
    for (const root of document.querySelectorAll('.exercise-progress')) complainAfter(root);
    document.addEventListener('ddpm:progress', ({ detail }) => {
      if (typeof detail?.name !== 'string' || !NAME.test(detail.name)) return;
      if (detail.state === null) put(detail.name, null);
      else if (tidy(detail.name, detail)) put(detail.name, detail);
    });
    window.addEventListener('storage', (event) => (event.key === KEY || event.key === null) && redraw());
    window.addEventListener('pageshow', (event) => event.persisted && redraw());
  };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
