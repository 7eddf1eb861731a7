// Lets the reader step through a derivation and set its numbers; without this script all its lines stand on the page.
(() => {
  'use strict';
  if (window.ddpmDerivation) return; // the theme may load this file twice

  // ------------------------------------------------------------------------------------------------ numbers, no DOM

  const STEPS = 1000;
  const X_0 = 1.5;

  /** ε_1 … ε_1000, as derivation.py draws them: sums of twelve uniform numbers less 6. */
  const noise = () => {
    const eps = [0];
    let s = 1;
    for (let t = 1; t <= STEPS; t++) {
      let total = 0;
      for (let i = 0; i < 12; i++) {
        s = (s * 48271) % 2147483647;
        total += s / 2147483647;
      }
      eps.push(total - 6);
    }
    return eps;
  };

  const once = (make) => {
    let made;
    return () => (made ??= make());
  };
  const fixedNoise = once(noise);

  /** The linear schedule of 1000 steps; entry 0 is the clean data. */
  const linearSchedule = once(() => {
    const s = { beta: [0], alpha: [1], alpha_bar: [1], beta_tilde: [0] };
    for (let t = 1; t <= STEPS; t++) {
      s.beta.push(1e-4 + ((0.02 - 1e-4) * (t - 1)) / (STEPS - 1));
      s.alpha.push(1 - s.beta[t]);
      s.alpha_bar.push(s.alpha_bar[t - 1] * s.alpha[t]);
      s.beta_tilde.push((s.beta[t] * (1 - s.alpha_bar[t - 1])) / (1 - s.alpha_bar[t]));
    }
    return s;
  });

  /** What the letters of a derivation stand for at the reader's settings. */
  const worlds = {
    series: (settings) => {
      const { alpha, beta, T } = settings;
      const eps = fixedNoise().slice(0, T + 1);
      const x = [X_0];
      for (let t = 1; t <= T; t++) x.push(Math.sqrt(alpha) * x[t - 1] + Math.sqrt(beta) * eps[t]);
      return { values: { ...settings }, sequences: { x, eps } };
    },
    posterior: (settings) => {
      const sequences = linearSchedule();
      const { t, x_0: x0, x_t: xt } = settings;
      const [bar, before] = [sequences.alpha_bar[t], sequences.alpha_bar[t - 1]];
      const mean = (Math.sqrt(before) * sequences.beta[t] * x0 + Math.sqrt(sequences.alpha[t]) * (1 - before) * xt) / (1 - bar);
      return {
        values: { ...settings, T: STEPS, mu_tilde_t: mean, eps: (xt - Math.sqrt(bar) * x0) / Math.sqrt(1 - bar) },
        sequences,
      };
    },
  };

  const FUNCTIONS = { exp: Math.exp, log: Math.log, ln: Math.log, sin: Math.sin, cos: Math.cos };

  /** The value of an expression's tree, NaN where it has none. */
  const evaluate = (node, world) => {
    if (typeof node === 'number') return node;
    const of = (part) => evaluate(part, world);
    const [kind, a, b, c, d] = node;
    switch (kind) {
      case 's':
        if (a in world.values) return world.values[a];
        if (b in world.sequences) return world.sequences[b][of(c)] ?? NaN;
        return a === 'pi' ? Math.PI : NaN;
      case '+':
        return node.slice(1).reduce((sum, [sign, term]) => sum + sign * of(term), 0);
      case '*':
        return node.slice(1).reduce((product, factor) => product * of(factor), 1);
      case '/':
        return of(a) / of(b);
      case '^':
        return of(a) ** of(b);
      case 'r':
        return b === null ? Math.sqrt(of(a)) : of(a) ** (1 / of(b));
      case 'f':
        return FUNCTIONS[a](of(b));
      default: {
        // a sum or a product over the running letter a, from b to c, of d
        const [low, high] = [of(b), of(c)];
        if (!Number.isInteger(low) || !Number.isInteger(high)) return NaN;
        const inner = { sequences: world.sequences, values: Object.create(world.values) };
        let result = kind === 'sum' ? 0 : 1;
        for (let i = low; i <= high; i++) {
          inner.values[a] = i;
          const term = evaluate(d, inner);
          result = kind === 'sum' ? result + term : result * term;
        }
        return result;
      }
    }
  };

  /** The numbers of all lines. */
  const valuesOf = (data, settings) => {
    const world = worlds[data.kind](settings);
    for (const [key, node] of data.lets) world.values[key] = evaluate(node, world);
    return data.lines.map((line) => line.map((node) => evaluate(node, world)));
  };

  /** A number as a reader writes it; derivation.py does the same. */
  const say = (x, digits = 4) => {
    if (!Number.isFinite(x)) return 'no value here';
    if (x === 0) return '0';
    const [mantissa, exponent] = Math.abs(x).toExponential(digits - 1).split('e');
    const power = Number(exponent);
    const size =
      power < -3 || power >= 5
        ? `${mantissa}×10${String(power).replace(/./g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c]))}`
        : Math.abs(x).toFixed(Math.max(0, digits - 1 - power));
    return (x < 0 ? '−' : '') + size;
  };

  const plain = (x) => String(Number(x.toPrecision(6))).replace('-', '−');

  const stopsOf = (runs) => {
    const stops = [];
    for (const [start, end, step] of runs) {
      const count = Math.round((end - start) / step);
      for (let i = stops.length ? 1 : 0; i <= count; i++) stops.push(Number((start + i * step).toFixed(8)));
    }
    return stops;
  };

  const nearest = (stops, value) => stops.reduce((best, stop, i) => (Math.abs(stop - value) < Math.abs(stops[best] - value) ? i : best), 0);

  const parse = (text, { limits: [low, high], whole }) => {
    const clean = String(text).trim().replace(',', '.').replace('−', '-');
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(clean) || clean.length > 24) return null;
    const value = Number(clean);
    return value >= low && value <= high && (!whole || Number.isInteger(value)) ? value : null;
  };

  window.ddpmDerivation = { valuesOf, say };

  // ------------------------------------------------------------------------------------------------------- the page

  const html = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };

  const slider = (about, id, set) => {
    const stops = stopsOf(about.runs);
    const [letter, index] = about.symbol.split('_');
    const range = html('input', { type: 'range', id, min: 0, max: stops.length - 1, step: 1, oninput: () => set(stops[range.value]) });
    const warning = html('span', { class: 'warning', id: `${id}-warning`, role: 'status' });
    const complain = (text) => {
      warning.textContent = text;
      typed.setAttribute('aria-invalid', String(text !== ''));
    };
    const take = () => {
      const value = parse(typed.value, about);
      const [low, high] = about.limits.map(plain);
      complain(value === null ? `${about.symbol} is a ${about.whole ? 'whole ' : ''}number from ${low} to ${high}` : '');
      if (value !== null) set(value);
    };
    let current = about.value;
    const typed = html('input', {
      type: 'text',
      inputmode: 'decimal',
      autocomplete: 'off',
      spellcheck: 'false',
      'aria-label': `${about.symbol}, ${about.name}, typed`,
      'aria-describedby': `${id}-warning`,
      oninput: take,
      onfocus: () => typed.select(),
      onblur: () => {
        complain('');
        typed.value = plain(current);
      },
    });
    const symbol = html('i', {}, letter, ...(index ? [html('sub', {}, index)] : []));
    const element = html(
      'div',
      { class: `derivation-slider colour-${about.colour}` },
      html('label', { for: id }, symbol, html('span', {}, ` ${about.name}`)),
      typed,
      range,
      warning,
    );
    const show = (value) => {
      current = value;
      range.value = nearest(stops, value);
      range.style.setProperty('--share', (range.value / (stops.length - 1)).toFixed(4));
      range.setAttribute('aria-valuetext', plain(value));
      if (document.activeElement !== typed) typed.value = plain(value);
    };
    return { element, show };
  };

  const enhance = (root) => {
    const data = JSON.parse(root.querySelector('.derivation-data').textContent);
    const items = [...root.querySelector('.derivation-lines').children];
    const start = { ...data.fixed };
    for (const { key, value } of data.sliders || []) start[key] = value;
    let line = 0; // 0 shows all lines
    let settings = { ...start };
    let shown = null;

    // the address: the line and the settings that are not the first ones, beside what other parts of the page keep there
    const addressed = () => {
      const found = new Map();
      for (const piece of window.location.hash.slice(1, 4000).split('&').slice(0, 100)) {
        const [key, value] = piece.split('=');
        if (key.startsWith(`${data.name}.`) && value) found.set(key.slice(data.name.length + 1), value);
      }
      if (!found.size) return false;
      const at = parse(found.get('line') || '', { limits: [1, items.length], whole: true });
      line = at === null ? 0 : at;
      settings = { ...start };
      for (const about of data.sliders || []) {
        const value = parse(found.get(about.address) || '', about);
        if (value !== null) settings[about.key] = value;
      }
      return true;
    };
    let waiting = 0;
    const remember = () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => {
        const others = window.location.hash.slice(1).split('&').filter((piece) => /^[a-z]+\.[a-zA-Z0-9-]+=/.test(piece) && !piece.startsWith(`${data.name}.`));
        const own = (data.sliders || []).filter(({ key }) => settings[key] !== start[key]).map(({ key, address }) => `${data.name}.${address}=${settings[key]}`);
        if (line) own.unshift(`${data.name}.line=${line}`);
        try {
          window.history.replaceState(window.history.state, '', `#${[...own, ...others].join('&')}`);
        } catch {
          // some browsers refuse this for files; then the address keeps what it had
        }
      }, 300);
    };

    const status = html('span', { class: 'derivation-status' });
    const spoken = html('span', { class: 'visually-hidden', role: 'status', 'aria-live': 'polite' });
    const button = (name, go) => html('button', { type: 'button', onclick: () => go() }, name);
    const back = button('Back', () => line > 1 && step(line - 1));
    const next = button('Next', () => line < items.length && step(line + 1));
    const all = button('All', () => step(0));
    const bar = html('div', { class: 'derivation-bar', role: 'group', 'aria-label': 'Steps of the derivation' }, back, next, all, status, spoken);
    bar.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowRight') next.click();
      else if (event.key === 'ArrowLeft') back.click();
      else return;
      event.preventDefault();
    });

    const show = () => {
      items.forEach((item, i) => {
        item.classList.toggle('later', line > 0 && i >= line);
        item.classList.toggle('now', i === line - 1);
        if (i === line - 1) item.setAttribute('aria-current', 'step');
        else item.removeAttribute('aria-current');
      });
      root.classList.toggle('stepping', line > 0);
      back.setAttribute('aria-disabled', String(line < 2));
      next.setAttribute('aria-disabled', String(line === items.length));
      all.setAttribute('aria-pressed', String(line === 0));
      status.textContent = line ? `Line ${line} of ${items.length}` : `All ${items.length} lines`;
    };
    const step = (to) => {
      line = to;
      show();
      remember();
      const item = items[line - 1];
      const sentence = item ? item.querySelector('.derivation-move').textContent.replace(/\s+/g, ' ') : '';
      spoken.textContent = item ? `Line ${line} of ${items.length}. ${sentence}` : `All ${items.length} lines.`;
      if (!item) return;
      const box = root.querySelector('.derivation-sliders');
      const headroom = 64 + (box && getComputedStyle(box).position === 'sticky' ? box.offsetHeight : 0);
      root.style.setProperty('--headroom', `${headroom + 8}px`);
      const { top, bottom } = item.getBoundingClientRect();
      if (top > headroom && bottom < window.innerHeight - 72) return;
      const still = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
      item.scrollIntoView({ block: 'nearest', behavior: still ? 'auto' : 'smooth' });
    };

    const cells = items.map((item) => [...item.querySelectorAll('.derivation-numbers dd')]);
    const write = () => {
      shown = null;
      valuesOf(data, settings).forEach((row, i) => row.forEach((value, j) => (cells[i][j].textContent = say(value))));
      for (const { key, show: move } of sliders) move(settings[key]);
    };
    const sliders = (data.sliders || []).map((about, i) => {
      const set = (value) => {
        settings[about.key] = value;
        remember();
        shown ??= requestAnimationFrame(write);
      };
      return { key: about.key, ...slider(about, `derivation-${data.name}-${i}`, set) };
    });

    const title = root.querySelector('.derivation-title');
    title.id = `derivation-${data.name}-title`;
    root.setAttribute('role', 'group');
    root.setAttribute('aria-labelledby', title.id);
    root.append(bar);
    if (sliders.length) {
      root.querySelector('.derivation-settings').replaceWith(html('div', { class: 'derivation-sliders' }, ...sliders.map(({ element }) => element)));
    }
    const renew = () => {
      show();
      if (sliders.length) write();
    };
    addressed();
    renew();
    window.addEventListener('hashchange', () => addressed() && renew());
  };

  const begin = () => document.querySelectorAll('.derivation').forEach(enhance);
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin);
  else begin();
})();
