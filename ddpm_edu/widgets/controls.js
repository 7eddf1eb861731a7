// Controls shared by the widgets: sliders with typed values, chips, the transport, lit terms, address and model.

import { html, setAttribute, setText } from './drawing.js';
import { nearestStop, parseNumber } from './state.js';
import { sayExactly } from './words.js';

let counter = 0;

/** A name that no other element on the page has. */
export function uniqueId(stem) {
  counter += 1;
  return `ddpm-${stem}-${counter}-${Math.random().toString(36).slice(2, 7)}`;
}

/** A control's name in an address: its symbol in Latin letters and digits. */
function keyOf(symbol) {
  return symbol.replace('α', 'alpha').replace('β', 'beta').replace('η', 'eta').replace('_', '');
}

/**
 * A native slider over readable stops, with a value that can be typed and may exceed the slider.
 * @param {{symbol: string, name: string, colour: string, stops: number[], limits: number[], marks: number[],
 *          whole?: boolean, key?: string, set: (value: number) => void}} options
 */
export function slider({ symbol, shown = symbol, key = keyOf(symbol), name, colour, stops, limits, marks = [], whole = false, set }) {
  let [steps, bounds] = [stops, limits];
  const id = uniqueId('slider');
  const range = html('input', {
    type: 'range',
    id,
    min: 0,
    max: steps.length - 1,
    step: 1,
    class: 'range',
    oninput: () => set(steps[Number(range.value)]),
  });
  const warning = html('span', { class: 'warning', id: `${id}-warning`, role: 'status' });
  const typed = html('input', {
    type: 'text',
    inputmode: 'decimal',
    class: 'typed',
    size: 8,
    autocomplete: 'off',
    spellcheck: 'false',
    'aria-label': `${symbol}, ${name}, typed`,
    'aria-describedby': `${id}-warning`,
    oninput: () => take(),
    onkeydown: (event) => {
      if (event.key === 'Enter') {
        take();
        show(current, true);
      }
    },
    onblur: () => {
      complain('');
      show(current, true);
    },
    onfocus: () => typed.select(),
  });
  const complain = (text) => {
    setText(warning, text);
    setAttribute(typed, 'aria-invalid', text ? 'true' : 'false');
  };
  const take = () => {
    const value = parseNumber(typed.value, bounds);
    if (value === null || (whole && !Number.isInteger(value))) {
      complain(`${symbol} is a ${whole ? 'whole ' : ''}number from ${bounds[0]} to ${bounds[1]}`);
      return;
    }
    complain('');
    set(value);
  };
  let current = NaN;
  const show = (value, force = false) => {
    if (value === current && !force) return;
    current = value;
    const text = sayExactly(value);
    const index = String(nearestStop(steps, value));
    if (range.value !== index) range.value = index;
    const share = Number(index) / (steps.length - 1);
    range.style.setProperty('--share', share.toFixed(4));
    setAttribute(range, 'aria-valuetext', text);
    if (document.activeElement !== typed && typed.getRootNode().activeElement !== typed) typed.value = text;
    else if (force) typed.value = text;
  };
  const scale = html('div', { class: 'marks', 'aria-hidden': 'true' });
  const mark = (values) =>
    scale.replaceChildren(
      ...values.map((value) => {
        const end = value === steps[steps.length - 1] ? 'last' : value === steps[0] ? 'first' : null;
        const tick = html('span', { class: end }, sayExactly(value));
        tick.style.setProperty('--share', (nearestStop(steps, value) / (steps.length - 1)).toFixed(4));
        return tick;
      }),
    );
  mark(marks);
  const element = html(
    'div',
    { class: `slider colour-${colour}`, 'data-control': key },
    html('label', { for: id }, html('span', { class: 'symbol' }, shown), html('span', { class: 'name' }, ` ${name}`)),
    typed,
    html('div', { class: 'track' }, range, scale),
    warning,
  );
  /** Gives the slider another range. */
  const reshape = (newStops, newLimits, newMarks) => {
    [steps, bounds] = [newStops, newLimits];
    range.max = String(steps.length - 1);
    mark(newMarks);
    const value = current;
    current = NaN;
    show(value);
  };
  return { element, range, typed, show, reshape };
}

/** A row of buttons of which one at most is pressed. */
export function chips({ label, items, choose }) {
  const id = uniqueId('chips');
  const buttons = items.map((item) =>
    html('button', { type: 'button', class: 'chip', 'aria-pressed': 'false', title: item.title, onclick: () => choose(item) }, item.label),
  );
  const element = html('div', { class: 'chips', role: 'group', 'aria-labelledby': id }, html('span', { class: 'chips-label', id }, label), ...buttons);
  return {
    element,
    buttons,
    show: (isPressed) => items.forEach((item, i) => setAttribute(buttons[i], 'aria-pressed', isPressed(item) ? 'true' : 'false')),
  };
}

/** A labelled checkbox. */
export function checkbox(label, set) {
  const id = uniqueId('checkbox');
  const box = html('input', { type: 'checkbox', id, onchange: () => set(box.checked) });
  return {
    element: html('div', { class: 'checkbox' }, box, html('label', { for: id }, label)),
    box,
    show: (value) => {
      box.checked = value;
    },
  };
}

/** A line of numbers' names and values for those who do not see the figure (and those who like tables). */
export function numbersTable(caption) {
  const body = html('tbody');
  const cells = new Map();
  const element = html(
    'details',
    { class: 'numbers' },
    html('summary', {}, 'The numbers as a table'),
    html('table', {}, html('caption', {}, caption), body),
  );
  // the numbers are only worked out and written while the table is open
  let latest = () => [];
  const write = () => {
    if (!element.open) return;
    for (const [name, value] of latest()) {
      let cell = cells.get(name);
      if (!cell) {
        cell = html('td', {}, '');
        cells.set(name, cell);
        body.append(html('tr', {}, html('th', { scope: 'row' }, name), cell));
      }
      setText(cell, value);
    }
  };
  element.addEventListener('toggle', write);
  return {
    element,
    show: (rows) => {
      latest = rows;
      write();
    },
  };
}

/** Lights up, in `root`, everything that belongs to the part under the pointer or the focus. */
export function lights(root, changed) {
  let pinned = '';
  const partOf = (target) => {
    const element = target && target.closest ? target.closest('[data-part]') : null;
    return element && root.contains(element) ? element.dataset.part : '';
  };
  const light = (part) => {
    const now = part || pinned;
    if ((root.dataset.lit || '') === now) return;
    if (now) root.dataset.lit = now;
    else delete root.dataset.lit;
    changed(now);
  };
  root.addEventListener('pointerover', (event) => {
    if (event.pointerType !== 'touch' && event.buttons === 0) light(partOf(event.target));
  });
  // while something is dragged, nothing steps back: the reader watches all of it
  root.addEventListener('pointerdown', (event) => {
    if (!event.target.closest('.term')) light('');
  });
  root.addEventListener('pointerleave', () => light(''));
  root.addEventListener('focusin', (event) => {
    if (event.target.matches('.term')) light(partOf(event.target));
  });
  root.addEventListener('focusout', () => light(''));
  root.addEventListener('click', (event) => {
    const term = event.target.closest ? event.target.closest('.term') : null;
    if (!term) return;
    pinned = pinned === term.dataset.part ? '' : term.dataset.part;
    for (const other of root.querySelectorAll('.term')) setAttribute(other, 'aria-pressed', other.dataset.part === pinned ? 'true' : 'false');
    light(pinned);
  });
}

/** A symbol in italics. */
export function italic(text) {
  return html('i', {}, text);
}

/** A symbol with an index. */
export function sub(letter, index) {
  const bar = letter === 'ᾱ';
  const symbol = bar ? html('span', { class: 'barred', role: 'img', 'aria-label': 'ᾱ' }, italic('α')) : italic(letter);
  return html('span', { class: 'indexed' }, symbol, html('sub', { class: /^\d/.test(index) ? 'upright' : null }, index));
}

/** A sentence's text with its indexed symbols set as such: x_0, x_t, v_t. */
export function prose(text) {
  return text
    .replaceAll(' = ', '\u00a0=\u00a0')
    .replaceAll(' %', '\u00a0%')
    .replaceAll('N(0, 1)', 'N(0,\u00a01)')
    .split(/(x̂_0|[xvβᾱsqαεσ]_(?:t−1|[tT01]\b))/).map((piece, i) => (i % 2 ? (piece === 'x̂_0' ? hatted('x', '0') : sub(piece[0], piece.slice(2))) : piece));
}

/** A symbol under a hat, with an index or none. */
export function hatted(letter, index = null) {
  const symbol = html('span', { class: 'hat', role: 'img', 'aria-label': `${letter}\u0302` }, italic(letter));
  return html('span', { class: 'indexed' }, symbol, index === null ? null : html('sub', { class: /^\d/.test(index) ? 'upright' : null }, index));
}

/** A square root over what is inside. */
export function root(...inside) {
  return html('span', { class: 'root' }, '√', html('span', { class: 'radicand' }, ...inside));
}

/** A term of an equation: a symbol above the value it has now; it lights its part of the figure. */
export function term(part, symbol, meaning) {
  const value = html('span', { class: 'term-value' }, '');
  const element = html(
    'button',
    { type: 'button', class: `term part-${part}`, 'data-part': part, 'aria-pressed': 'false' },
    html('span', { class: 'term-symbol' }, ...symbol),
    value,
  );
  return {
    element,
    show: (text, spoken = text) => {
      setText(value, text);
      setAttribute(element, 'aria-label', `${meaning}: ${spoken}`);
    },
  };
}

/** Runs `step` at most once a frame while playing; pauses off-screen, in the background and at the end. */
export function player({ root, isReduced, advance, changed }) {
  let playing = false;
  let visible = true;
  let last = 0;
  let frame = 0;
  let owed = 0;
  const tick = (now) => {
    frame = 0;
    if (!playing || !visible) return;
    const elapsed = last ? Math.min(100, now - last) : 16;
    last = now;
    owed += elapsed;
    // 50 steps a second; with reduced motion 25 steps twice a second
    const every = isReduced() ? 500 : 20;
    const size = isReduced() ? 25 : 1;
    const steps = Math.floor(owed / every);
    owed -= steps * every;
    if (steps > 0 && !advance(steps * size)) return set(false);
    frame = requestAnimationFrame(tick);
  };
  const set = (value) => {
    playing = value;
    last = 0;
    owed = 0;
    if (playing && visible && !frame) frame = requestAnimationFrame(tick);
    changed(playing);
  };
  const watcher = new IntersectionObserver((entries) => {
    visible = entries[entries.length - 1].isIntersecting;
    last = 0;
    if (visible && playing && !frame) frame = requestAnimationFrame(tick);
  });
  watcher.observe(root);
  return {
    get playing() {
      return playing;
    },
    set,
    stop: () => {
      playing = false;
      cancelAnimationFrame(frame);
      watcher.disconnect();
    },
  };
}

/** Sets the symbols in the typeface of the page's equations, from when MathJax has loaded it. */
export function followPageMath(root) {
  const look = () => {
    const loaded = [...document.fonts].some((font) => font.family.replace(/["']/g, '') === 'MJXTEX-I' && font.status === 'loaded');
    root.classList.toggle('page-math', loaded);
  };
  look();
  document.fonts.addEventListener('loadingdone', look);
  return () => document.fonts.removeEventListener('loadingdone', look);
}

/** A player that takes `state.t` from T down to 0 in three seconds, however many steps that is; what plays it says so. */
export function walkPlayer({ root, state, setT, playButton, announce }) {
  let owed = 0;
  const run = player({
    root,
    isReduced: reducedMotion,
    advance: (ticksDue) => {
      owed += (ticksDue * state.T) / 150;
      const whole = Math.floor(owed);
      owed -= whole;
      if (whole > 0) setT(state.t - whole);
      return state.t > 0;
    },
    changed: (playing) => {
      setText(playButton, playing ? 'Pause' : 'Play');
      announce();
    },
  });
  const play = (on) => {
    if (on && state.t <= 0) setT(state.T);
    run.set(on);
  };
  return { run, play };
}

/** True when the reader asks for less motion. */
export function reducedMotion() {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches;
}

/**
 * Puts a widget's controls away, all but those named in `kept` ("play" is what sets it going), once it has been drawn, with
 * a button that brings them back.
 */
export function putAway(el, kept, broughtBack) {
  queueMicrotask(() => {
    const widget = el.querySelector('.ddpm');
    if (!widget) return;
    const names = new Set(kept);
    for (const control of widget.querySelectorAll('[data-control], .transport, .work')) {
      if (names.has(control.dataset.control || 'play')) control.dataset.stays = '';
    }
    const back = html(
      'button',
      {
        type: 'button',
        class: 'chip controls-back',
        onclick: () => {
          delete widget.dataset.away;
          back.remove();
          broughtBack();
          const first = widget.querySelector('input, button');
          if (first) first.focus();
        },
      },
      'Show the controls',
    );
    widget.dataset.away = '';
    widget.append(back);
  });
}

/** Replaces the page's fragment without a new entry in the history, wherever the page comes from. */
export function replaceFragment(fragment) {
  if (window.location.hash === fragment) return;
  try {
    window.history.replaceState(window.history.state, '', fragment);
  } catch {
    // some browsers refuse this for files; then the address keeps what it had
  }
}
