// Says what a letter or a word means: on pointing at it, on a tap, and by keyboard. The texts are in symbols-data.js.
// A formula that has the focus is walked through with the arrow keys; Enter leads to the table, Escape closes the note.
(() => {
  'use strict';
  if (window.ddpmSymbols) return; // the theme may load this file twice
  const words = window.ddpmWords;
  if (!words) return;

  const ROOT = document.documentElement.dataset.content_root || '../';
  const WITHIN = 14; // how far beside a letter a finger may come down, in pixels
  const FORMULA = 'mjx-container';
  const LETTER = 'mjx-math .sy';
  const LINK = 'a.term-link, a.symbol-link';

  /** The chapter, without what stands around it. */
  const text = () => document.querySelector('article, [role="main"]') || document.body;

  const html = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // ------------------------------------------------------------------------------------------------------ what is said

  const keyOf = (element) => [...element.classList].find((name) => name.startsWith('sy-'))?.slice(3);

  /** The name of a letter as it is spoken, with the index that it has here. */
  const nameOf = (element, [, name]) => {
    const index = [...element.classList].find((part) => part.startsWith('i:'));
    return index ? name.replace('sub t', `sub ${index.slice(2).replaceAll('_', ' ')}`) : name;
  };

  const anchorOf = (link) => decodeURIComponent(link.hash.slice(1));

  /** What is known of a letter in a formula or of a link: name, meaning, code, example, address. */
  const about = (element) => {
    if (element.matches('a.term-link')) {
      const found = words.terms[anchorOf(element)];
      return found && { name: found[0], means: found[1], address: element.href, place: 'Glossary', plain: true };
    }
    const key = element.matches('a.symbol-link') ? anchorOf(element).replace(/^symbol-/, '') : keyOf(element);
    const found = words.symbols[key];
    if (!found) return null;
    const [sign, , means, code, example] = found;
    const inner = element.matches('a') ? element.querySelector(LETTER) : element;
    const address = `${ROOT}book/notation.html#symbol-${key}`;
    return { sign, name: inner ? nameOf(inner, found) : found[1], means, code, example, address, place: 'Notation' };
  };

  // ---------------------------------------------------------------------------------------------------------- the note

  const head = html('p', { class: 'symbol-note-name' });
  const body = html('p', {});
  const more = html('p', { class: 'symbol-note-more' });
  const note = html('div', { id: 'symbol-note', class: 'symbol-note', role: 'note', hidden: '' }, head, body, more);
  const spoken = html('div', { class: 'symbol-spoken', role: 'status', 'aria-live': 'polite' });
  let now = null; // the letter or link whose note is shown

  /** The letter as it stands in the formula, large; its sign where it cannot be copied. */
  const picture = (element, sign) => {
    const holder = html('span', { class: 'symbol-note-sign', 'aria-hidden': 'true' });
    if (element.matches('a')) holder.innerHTML = sign;
    else {
      const copy = element.cloneNode(true);
      copy.classList.remove('sy', 'sy-now');
      copy.querySelectorAll('.sy').forEach((inner) => inner.classList.remove('sy', 'sy-now'));
      holder.append(html('mjx-container', { class: 'MathJax', jax: 'CHTML' }, html('mjx-math', { class: 'MJX-TEX' }, copy)));
    }
    return holder;
  };

  const place = () => {
    const box = now.getBoundingClientRect();
    const { width, height } = note.getBoundingClientRect();
    const edge = 8;
    const left = Math.min(Math.max(edge, box.left + box.width / 2 - width / 2), window.innerWidth - width - edge);
    const above = box.top - height - edge;
    note.style.left = `${Math.max(edge, left)}px`;
    note.style.top = `${above > edge ? above : Math.min(box.bottom + edge, window.innerHeight - height - edge)}px`;
  };

  const hide = () => {
    clearTimeout(waiting);
    if (!now) return;
    now.classList.remove('sy-now');
    now.removeAttribute('aria-describedby');
    now = null;
    note.hidden = true;
  };

  const show = (element) => {
    clearTimeout(waiting);
    if (element === now) return true;
    const found = about(element);
    if (!found) return false;
    hide();
    now = element;
    head.replaceChildren(...(found.plain ? [] : [picture(element, found.sign)]), html('strong', {}, found.name));
    body.innerHTML = found.means;
    const link = html('a', { href: found.address }, found.place);
    more.replaceChildren();
    if (found.example) more.append(html('span', {}, found.example), html('br', {}));
    if (found.code) more.append(html('code', {}, found.code), ' · ');
    more.append(link);
    element.classList.add('sy-now');
    note.hidden = false;
    if (element.matches('a')) element.setAttribute('aria-describedby', 'symbol-note');
    place();
    return true;
  };

  let waiting = 0;
  const later = (what, after) => {
    clearTimeout(waiting);
    waiting = setTimeout(what, after);
  };

  // ------------------------------------------------------------------------------------------------------- the pointer

  const pointed = (target) => (target instanceof Element ? target.closest(`${LETTER}, ${LINK}`) : null);

  /** A letter at this point, or the nearest one of the formula there. */
  const nearest = (target, x, y) => {
    const direct = pointed(target);
    if (direct) return direct.closest(LINK) || direct;
    const formula = target instanceof Element && target.closest(FORMULA);
    if (!formula) return null;
    let best = null;
    let least = WITHIN;
    for (const letter of formula.querySelectorAll('.sy')) {
      const box = letter.getBoundingClientRect();
      const away = Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
      if (away < least) [best, least] = [letter, away];
    }
    return best;
  };

  document.addEventListener('pointerover', (event) => {
    if (event.pointerType === 'touch') return;
    if (note.contains(event.target)) return clearTimeout(waiting);
    const letter = pointed(event.target);
    if (letter) later(() => letter.isConnected && show(letter.closest(LINK) || letter), now ? 60 : 140);
    else if (now) later(hide, 260);
    else clearTimeout(waiting);
  });

  document.addEventListener('pointerleave', () => later(hide, 260));

  // A tap shows the note; a second one on the same link follows it.
  let touched = false;
  document.addEventListener('pointerdown', (event) => (touched = event.pointerType === 'touch'), true);
  document.addEventListener('click', (event) => {
    if (note.contains(event.target)) return;
    const found = nearest(event.target, event.clientX, event.clientY);
    if (!found) return hide();
    const link = found.matches('a');
    if (link && !touched) return;
    if (found !== now && show(found) && link) event.preventDefault();
  });

  // ------------------------------------------------------------------------------------------------------ the keyboard

  const lettersOf = (formula) => [...formula.querySelectorAll('mjx-math .sy')];
  const here = (formula) => (formula.contains(now) ? lettersOf(formula).indexOf(now) : -1);

  const walk = (formula, to) => {
    const letters = lettersOf(formula);
    const letter = letters[Math.min(Math.max(to, 0), letters.length - 1)];
    if (!letter) return;
    letter.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    if (show(letter)) spoken.textContent = `${head.querySelector('strong').textContent}: ${body.textContent}.`;
  };

  /** The next or the last formula on the page that can be seen, those in lines of text included. */
  const neighbour = (formula, step) => {
    const all = [...text().querySelectorAll(FORMULA)].filter(
      (each) => each === formula || (each.querySelector('.sy') && !each.closest('a') && each.getClientRects().length),
    );
    return all[all.indexOf(formula) + step];
  };

  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && now) {
      hide();
      return event.preventDefault();
    }
    const formula = event.target instanceof Element && event.target.matches(`${FORMULA}[data-symbols]`) && event.target;
    if (!formula || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = here(formula);
    if (event.key === 'ArrowRight') walk(formula, at + 1);
    else if (event.key === 'ArrowLeft') walk(formula, at < 0 ? Infinity : at - 1);
    else if (event.key === 'Home') walk(formula, 0);
    else if (event.key === 'End') walk(formula, Infinity);
    else if (event.key === 'Enter' && at >= 0) window.location.assign(about(now).address);
    else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const next = neighbour(formula, event.key === 'ArrowDown' ? 1 : -1);
      if (!next) return;
      prepare(next, '-1');
      next.focus();
      walk(next, 0);
    } else return;
    event.preventDefault();
  });

  document.addEventListener('focusin', (event) => {
    if (event.target instanceof Element && event.target.matches(LINK)) {
      if (event.target.matches(':focus-visible')) show(event.target);
    } else if (now && !note.contains(event.target) && !event.target.contains(now)) hide();
  });
  document.addEventListener('focusout', (event) => {
    if (now && event.target instanceof Element && (event.target === now || event.target.contains(now)) && !note.contains(event.relatedTarget)) hide();
  });
  window.addEventListener('scroll', () => now && place(), { passive: true, capture: true });
  window.addEventListener('resize', () => now && place());

  // ---------------------------------------------------------------------------------------------------------- the page

  /** Lets a formula have the focus: those that are set off are stops of the Tab key, the others are reached from them. */
  const prepare = (formula, index) => {
    if ('symbols' in formula.dataset || !formula.querySelector('.sy')) return;
    formula.dataset.symbols = '';
    formula.setAttribute('tabindex', index);
  };

  const begin = () => {
    document.body.append(note, spoken);
    for (const link of document.querySelectorAll('a.symbol-link')) link.setAttribute('aria-label', about(link)?.name ?? '');
    text().querySelectorAll(`${FORMULA}[display="true"]`).forEach((formula) => prepare(formula, '0'));
  };

  window.ddpmSymbols = { show, hide };
  const typeset = () => Promise.resolve(window.MathJax?.startup?.promise).then(begin);
  if (document.readyState === 'complete') typeset();
  else window.addEventListener('load', typeset);
})();
