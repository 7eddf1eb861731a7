// The figures of the museum and its quiz: particles counted beside the law they ought to have, spreads along t, and walks.

import { BARS_COUNT, BAR_WIDTH, FIRST_EDGE } from './crowd.js';
import { Axis, html, linear, linePath, logarithmic, setAttribute, setText, svg } from './drawing.js';
import { uniqueId } from './controls.js';
import { sayShare } from './museum-words.js';
import { drags, place, plotBox } from './plot.js';
import { clamp } from './state.js';
import { sayCount, sayExactly } from './words.js';

export const SEEN = [-3, 3]; // the x that the figures show

const FIRST = Math.round((SEEN[0] - 0.5 * BAR_WIDTH - FIRST_EDGE) / BAR_WIDTH);
const BARS = Math.round((SEEN[1] - SEEN[0]) / BAR_WIDTH) + 1;

/** The outline of bars as a path: up, along and down again. */
function outline(shares, x, y, closed) {
  let path = '';
  for (let k = FIRST; k < FIRST + BARS; k++) {
    const left = x(Math.max(SEEN[0], FIRST_EDGE + k * BAR_WIDTH)).toFixed(1);
    const right = x(Math.min(SEEN[1], FIRST_EDGE + (k + 1) * BAR_WIDTH)).toFixed(1);
    const level = y(shares[k]).toFixed(1);
    path += `${path ? 'L' : 'M'}${left} ${level}H${right}`;
  }
  return closed ? `${path}V${y(0).toFixed(1)}H${x(SEEN[0]).toFixed(1)}Z` : path;
}

/** Particles counted on bars, with the law that they ought to have, and perhaps other particles. */
export function countsFigure(label) {
  const plot = plotBox({ left: 44, right: 10, top: 10, bottom: 26 }, { class: 'plot', role: 'img', 'aria-label': label });
  const xAxis = new Axis(plot.element, 'x');
  const yAxis = new Axis(plot.element, 'y');
  const counted = plot.path('particles', 'particles');
  const ought = plot.path('ought', 'law');
  const other = plot.path('other-slip', 'other');
  const limits = svg('path', { class: 'edges' });
  const left = svg('text', { class: 'label', 'text-anchor': 'start', 'aria-hidden': 'true' }, '');
  const right = svg('text', { class: 'label', 'text-anchor': 'end', 'aria-hidden': 'true' }, '');
  plot.element.append(limits, plot.inside, left, right);
  let x = linear(...SEEN, 0, 1);
  const beside = (shares, bars) => bars.reduce((sum, k) => sum + shares[k], 0);
  const beyond = { left: Array.from({ length: FIRST }, (_, k) => k), right: Array.from({ length: BARS_COUNT - FIRST - BARS }, (_, k) => FIRST + BARS + k) };
  return {
    element: plot.element,
    resize: () => {
      plot.resize();
      x = linear(...SEEN, plot.left, plot.right);
      xAxis.draw([-3, -2, -1, 0, 1, 2, 3].map((v) => ({ at: x(v), label: sayExactly(v), anchor: v === 3 ? 'end' : v === -3 ? 'start' : 'middle' })), plot.bottom, plot.bottom + 5, plot.bottom + 19);
      setAttribute(limits, 'd', `M${x(-1).toFixed(1)} ${plot.top}V${plot.bottom}M${x(1).toFixed(1)} ${plot.top}V${plot.bottom}`);
      place(left, { x: plot.left + 4, y: plot.top + 12 });
      place(right, { x: plot.right - 2, y: plot.top + 12 });
    },
    /** @param {{own: Float64Array, ought: Float64Array, other?: Float64Array | null}} shares  of the bars; low, high: own below and above all bars */
    draw: (shares, low = 0, high = 0) => {
      const peak = Math.max(...shares.own, ...shares.ought, ...(shares.other || [0]));
      const top = [0.05, 0.1, 0.2, 0.4, 1].find((v) => v >= peak * 1.02) || 1;
      const root = linear(0, Math.sqrt(top), plot.bottom, plot.top);
      const y = (share) => root(Math.sqrt(share));
      const marks = { 0.05: [0.001, 0.01, 0.05], 0.1: [0.001, 0.01, 0.05, 0.1], 0.2: [0.01, 0.05, 0.2], 0.4: [0.01, 0.1, 0.4], 1: [0.01, 0.1, 0.5, 1] }[top];
      yAxis.draw(marks.map((v) => ({ at: y(v), label: `${sayExactly(100 * v)} %` })), plot.left, plot.right, plot.left - 5);
      setAttribute(counted, 'd', outline(shares.own, x, y, true));
      setAttribute(ought, 'd', outline(shares.ought, x, y, false));
      setAttribute(other, 'd', shares.other ? outline(shares.other, x, y, false) : '');
      const [below, above] = [low + beside(shares.own, beyond.left), high + beside(shares.own, beyond.right)];
      setText(left, below >= 0.0005 ? `← ${sayShare(below)} further out` : '');
      setText(right, above >= 0.0005 ? `${sayShare(above)} further out →` : '');
    },
  };
}

/** The spread of the particles along the walk from T to 0, with what it ought to be, and perhaps that of others. */
export function spreadsFigure(label, setT = null) {
  const plot = plotBox({ left: 44, right: 14, top: 10, bottom: 38 }, { class: setT ? 'plot scrub' : 'plot', role: 'img', 'aria-label': label });
  const box = plot.element;
  const xAxis = new Axis(box, 'x');
  const yAxis = new Axis(box, 'y');
  const own = plot.path('exact', 'particles');
  const ought = plot.path('ought', 'law');
  const other = plot.path('other-slip', 'other');
  const marker = svg('line', { class: 'marker' });
  const dot = svg('circle', { class: 'dot part-x-t', r: 4.5 });
  const name = svg('text', { class: 'label', 'text-anchor': 'end', 'aria-hidden': 'true' }, 't');
  box.append(plot.inside, marker, dot, name);
  let x = linear(1, 0, 0, 1);
  if (setT) {
    const move = (at) => setT(x.invert(at.x));
    drags(box, { start: (at) => (move(at), true), move });
  }
  const y = { scale: null };
  return {
    element: box,
    resize: () => {
      plot.resize();
      place(name, { x: plot.right, y: plot.bottom + 34 });
    },
    draw: ({ T, t = null, own: values, ought: wanted, other: others = null }) => {
      const { left, right, top, bottom } = plot;
      x = linear(T, 0, left, right);
      const high = Math.max(...values, ...(others || [0])) > 9 ? 300 : 10;
      y.scale = logarithmic(0.01, high, bottom, top);
      const at = (v) => clamp(y.scale(Math.max(1e-4, v)), [top, bottom]);
      xAxis.draw([T, 0.75 * T, 0.5 * T, 0.25 * T, 0].map(Math.round).map((v, i) => ({ at: x(v), label: sayCount(v), anchor: i === 4 ? 'end' : 'middle' })), bottom, bottom + 5, bottom + 19);
      yAxis.draw([0.01, 0.1, 1, 10, 100].filter((v) => v <= high).map((v) => ({ at: y.scale(v), label: sayExactly(v) })), left, right, left - 6);
      const line = (list) => linePath(T + 1, (i) => x(T - i), (i) => at(list[T - i]));
      setAttribute(own, 'd', line(values));
      setAttribute(ought, 'd', line(wanted));
      setAttribute(other, 'd', others ? line(others) : '');
      const shown = t === null ? 'hidden' : 'visible';
      for (const element of [marker, dot]) setAttribute(element, 'visibility', shown);
      if (t === null) return;
      place(marker, { x1: x(t), x2: x(t), y1: top, y2: bottom });
      place(dot, { cx: x(t), cy: at(values[t]) });
    },
  };
}

/** Some walks, time running down from T to 0; drag up or down to move t. */
export function waysFigure(label, setT) {
  const side = 44;
  const plot = plotBox({ left: side, right: 10, top: 8, bottom: 8 }, { class: 'plot scrub', role: 'img', 'aria-label': label });
  const box = plot.element;
  const yAxis = new Axis(box, 'y');
  const clip = uniqueId('walked');
  const walked = svg('rect', { x: 0, y: 0, width: 0, height: 0 });
  box.querySelector('defs').append(svg('clipPath', { id: clip }, walked));
  const ways = svg('path', { class: 'ways part part-particles', 'data-part': 'particles', 'clip-path': `url(#${clip})` });
  const limits = svg('path', { class: 'edges' });
  plot.inside.append(ways);
  const marker = svg('line', { class: 'marker' });
  const dots = svg('path', { class: 'dots' });
  const handle = svg('path', { class: 'handle', d: 'M0 0L-7 -6H-15V6H-7Z' });
  box.append(limits, plot.inside, marker, dots, handle, svg('rect', { class: 'grip', x: 0, y: 0, width: side + 24, height: '100%' }));
  let x = linear(...SEEN, 0, 1);
  let y = linear(1, 0, 0, 1);
  drags(box, {
    // a finger on the walks may scroll the page; on the strip at the left it moves t
    start: (at, event) => {
      if (event.pointerType === 'touch' && at.x > side + 24) return false;
      setT(y.invert(at.y));
      return true;
    },
    move: (at) => setT(y.invert(at.y)),
  });
  let drawn = null;
  return {
    element: box,
    resize: () => {
      plot.resize();
      x = linear(...SEEN, plot.left, plot.right);
      for (const [name, value] of Object.entries({ width: plot.width, y: plot.top })) setAttribute(walked, name, value);
      setAttribute(limits, 'd', `M${x(-1).toFixed(1)} ${plot.top}V${plot.bottom}M${x(1).toFixed(1)} ${plot.top}V${plot.bottom}`);
      drawn = null;
    },
    draw: ({ T, t, paths }) => {
      const { left, right, top, bottom } = plot;
      const inFrame = (v) => clamp(x(v), [left - 20, right + 20]);
      y = linear(T, 0, top, bottom);
      if (drawn !== `${T} ${paths.length}` + (paths[0] || []).slice(0, 3)) {
        drawn = `${T} ${paths.length}` + (paths[0] || []).slice(0, 3);
        yAxis.draw([T, 0.75 * T, 0.5 * T, 0.25 * T, 0].map(Math.round).map((v) => ({ at: y(v), label: sayCount(v) })), left, right, left - 20);
        const every = Math.max(1, Math.round(T / 100));
        let path = '';
        for (const way of paths) {
          for (let s = T; s > 0; s -= every) path += `${s === T ? 'M' : 'L'}${inFrame(way[s]).toFixed(1)} ${y(s).toFixed(1)}`;
          path += `L${inFrame(way[0]).toFixed(1)} ${y(0).toFixed(1)}`;
        }
        setAttribute(ways, 'd', path);
      }
      setAttribute(walked, 'height', Math.max(0, y(t) - top + 0.5).toFixed(1));
      setAttribute(dots, 'd', paths.map((way) => `M${clamp(x(way[t]), [left, right]).toFixed(1)} ${y(t).toFixed(1)}h0`).join(''));
      place(marker, { x1: left, x2: right, y1: y(t), y2: y(t) });
      setAttribute(handle, 'transform', `translate(${left - 1} ${y(t).toFixed(1)})`);
    },
  };
}

/** Two lines of code, the wrong one and the right one, with what differs marked. */
export function codeBeside(differenceOf) {
  const lines = (tag) => html('code', { class: tag });
  const [wrong, right] = [lines('wrong'), lines('right')];
  const block = (title, code) => html('div', { class: 'code-line' }, html('span', { class: 'code-name' }, title), html('pre', { tabindex: '0', role: 'group', 'aria-label': `${title} line` }, code));
  const element = html('div', { class: 'code-pair' }, block('Wrong', wrong), block('Right', right));
  return {
    element,
    show: (exhibit) => {
      element.hidden = !exhibit.wrong;
      const pairs = exhibit.wrong.split('\n').map((line, i) => differenceOf(line, exhibit.right.split('\n')[i]));
      [wrong, right].forEach((code, side) => {
        const parts = pairs.flatMap((pair, i) => {
          const [before, own, after] = pair[side];
          return [i ? '\n' : '', before, own ? html(side ? 'ins' : 'del', {}, own) : '', after];
        });
        code.replaceChildren(...parts.filter((part) => part !== ''));
      });
    },
  };
}
