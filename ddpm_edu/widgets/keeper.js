// One state in three places: the widget, the Python model behind it and the page's address; and its sentence, said aloud.

import { html, whenQuiet } from './drawing.js';
import { prose, putAway, replaceFragment } from './controls.js';
import { readAddress, writeAddress } from './state.js';

/**
 * Keeps a widget's state, a plain object, in step with its model and, where the page gives it a prefix, with the address.
 * @param {object} options
 * @param {string[]} options.names  the traits that are followed
 * @param {() => void} options.fromModel  takes what the model holds, where it is allowed, into the state
 * @param {(fragment: string, prefix: string) => object} options.fromAddress  the parts of a state that an address sets
 * @param {(state: object) => [string, string][]} options.entries  the state as it stands in an address
 * @param {() => string[]} [options.settle]  makes the state agree with itself; the names of what may have moved
 * @param {() => void} options.update  asks for a new drawing
 */
export function keepState({ model, el, state, names, fromModel, fromAddress, entries, settle = () => [], update }) {
  const prefix = el.dataset.address || '';
  fromModel();
  if (prefix) Object.assign(state, fromAddress(window.location.hash, prefix));
  settle();
  // a link may put the controls away: `lab.controls=none`, or all but some, `lab.controls=t,play`
  let left = prefix ? readAddress(window.location.hash, prefix).get('controls') : undefined;
  if (left !== undefined) {
    putAway(el, left.split(','), () => {
      left = undefined;
      kept.change({});
    });
  }

  /** Gives the model what the state holds.  All values first: each one set calls followModel, which takes those not yet set from the model. */
  const tell = (moved) => {
    const values = [...new Set(moved)].map((name) => [name, state[name]]);
    for (const [name, value] of values) model.set(name, value);
    Object.assign(state, Object.fromEntries(values));
  };
  if (prefix) tell(names);

  const remember = whenQuiet(() => {
    if (prefix) replaceFragment(writeAddress(window.location.hash, prefix, left === undefined ? entries(state) : [...entries(state), ['controls', left]]));
  }, 300);
  const followModel = () => {
    const before = JSON.stringify(state);
    fromModel();
    settle();
    if (JSON.stringify(state) !== before) update();
  };
  const followAddress = () => {
    const part = fromAddress(window.location.hash, prefix);
    if (Object.keys(part).length === 0) return;
    Object.assign(state, part);
    tell([...Object.keys(part), ...settle()]);
    update();
  };
  for (const name of names) model.on(`change:${name}`, followModel);
  if (prefix) window.addEventListener('hashchange', followAddress);

  const kept = {
    /** True from the reader's first move. */
    touched: false,
    waiting: false,
    /** The reader moved something. */
    change: (part) => {
      Object.assign(state, part);
      tell([...Object.keys(part), ...settle()]);
      kept.waiting = true;
      remember();
      update();
    },
    /** What was moved has been drawn. */
    save: () => {
      if (!kept.waiting) return;
      kept.waiting = false;
      kept.touched = true;
      model.save_changes();
    },
    stop: () => {
      remember.cancel();
      for (const name of names) model.off(`change:${name}`, followModel);
      window.removeEventListener('hashchange', followAddress);
    },
  };
  return kept;
}

/** The sentence under the figures, and the same for a screen reader, said when all is quiet. */
export function sentenceUnder(mayBeSaid) {
  const says = html('p', { class: 'says' });
  const spoken = html('div', { class: 'visually-hidden', 'aria-live': 'polite' });
  let sentence = '';
  const announce = whenQuiet(() => {
    if (mayBeSaid() && spoken.textContent !== sentence) spoken.textContent = sentence;
  }, 800);
  return {
    says,
    spoken,
    announce,
    show: (text) => {
      if (text !== sentence) {
        sentence = text;
        says.replaceChildren(...prose(text));
      }
      announce();
    },
  };
}
