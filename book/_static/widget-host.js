// Runs the book's widgets in the built page: no kernel, no server, no network.
//
// The page holds the widgets' state as JSON.  An anywidget's state carries the text of its ES module; it is imported
// from a Blob and rendered beside the script that marks the widget's place, on a model that only lives in the page.
(function () {
  'use strict';
  if (window.ddpmWidgetHost) return; // the theme may load this file twice
  window.ddpmWidgetHost = true;

  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

  function parsed(script) {
    const value = JSON.parse(script.textContent);
    return typeof value === 'string' ? JSON.parse(value) : value;
  }

  /** The part of an anywidget's model that a module can rely on, without a kernel behind it. */
  function pageModel(state) {
    const listeners = new Map();
    return {
      get: (name) => state[name],
      set: (name, value) => {
        const before = state[name];
        state[name] = value;
        if (before !== value) {
          for (const call of [...(listeners.get('change:' + name) || []), ...(listeners.get('change') || [])]) call();
        }
      },
      on: (names, call) => {
        for (const name of names.split(/\s+/)) listeners.set(name, [...(listeners.get(name) || []), call]);
      },
      off: (names, call) => {
        if (!names) return listeners.clear();
        for (const name of names.split(/\s+/)) {
          listeners.set(name, call ? (listeners.get(name) || []).filter((other) => other !== call) : []);
        }
      },
      save_changes: () => {},
      send: () => {},
    };
  }

  const modules = new Map();
  function moduleOf(text) {
    if (!modules.has(text)) {
      const address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
      modules.set(text, import(address).finally(() => URL.revokeObjectURL(address)));
    }
    return modules.get(text);
  }

  function styleOnce(css) {
    if (!css || [...document.querySelectorAll('style[data-widget]')].some((style) => style.textContent === css)) return;
    const style = document.createElement('style');
    style.dataset.widget = '';
    style.textContent = css;
    document.head.append(style);
  }

  /** The theme's list of contents covers the margin; it steps back while a widget that uses the margin is in sight. */
  const inSight = new Set();
  const sight = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) inSight[isIntersecting ? 'add' : 'delete'](target);
      document.body.classList.toggle('widget-in-sight', inSight.size > 0);
    },
    { rootMargin: '0px 0px -33% 0px' },
  );

  /** A link that sets a widget also leads to it. */
  function goThere() {
    const key = (window.location.hash.match(/^#([a-z]+)\.[a-zA-Z0-9-]+=/) || [])[1];
    const place = key && document.querySelector(`[data-address="${key}"]`);
    if (place) place.scrollIntoView({ block: 'start' });
  }

  async function start() {
    const models = {};
    for (const script of document.querySelectorAll(STATE)) Object.assign(models, parsed(script).state);
    const live = new Map(); // one model for all its views
    const kept = new Set(); // kinds of widget whose first view keeps its state in the page's address
    for (const script of document.querySelectorAll(VIEW)) {
      const id = parsed(script).model_id;
      const state = models[id] && models[id].state;
      if (!state || typeof state._esm !== 'string') continue;
      if (!live.has(id)) live.set(id, pageModel(state));
      styleOnce(state._css);
      const place = document.createElement('div');
      place.className = 'widget-place';
      const kind = String(state._anywidget_id || '').split('.').pop();
      const key = { Laboratory: 'lab', ScheduleExplorer: 'schedule', Reverse: 'reverse', Posterior: 'posterior', Sampler: 'sampler', Digits: 'digits', Museum: 'museum', Quiz: 'quiz' }[kind];
      if (key && !kept.has(key)) {
        kept.add(key);
        place.dataset.address = key;
      }
      script.after(place);
      sight.observe(place);
      try {
        const { default: widget } = await moduleOf(state._esm);
        const made = typeof widget === 'function' ? await widget() : widget;
        if (made.initialize) await made.initialize({ model: live.get(id) });
        await made.render({ model: live.get(id), el: place });
      } catch (error) {
        sight.unobserve(place);
        place.remove(); // the figure above says what the widget would have shown
        console.error('A widget could not start:', error);
      }
    }
    const [arrival] = performance.getEntriesByType('navigation');
    if (!arrival || arrival.type === 'navigate') goThere(); // who reloads or comes back keeps the place
    window.addEventListener('hashchange', goThere);
  }

  const begin = () => document.querySelector(VIEW) && start();
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', begin);
  else begin();
})();
