// Drawing: a few helpers over SVG and HTML elements, scales, axes and paths.

const SVG = 'http://www.w3.org/2000/svg';

/** An HTML element with attributes and children; `on…` attributes are listeners. */
export function html(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** An SVG element with attributes and children. */
export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets an attribute only when it changes, which spares the browser a repaint. */
export function setAttribute(element, name, value) {
  const text = String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Sets the text of an element that holds text alone, only when it changes. */
export function setText(element, text) {
  if (!element.firstChild) element.append(text);
  else if (element.firstChild.data !== text) element.firstChild.data = text;
}

/** A linear scale from a domain to pixels. */
export function linear(d0, d1, r0, r1) {
  const k = (r1 - r0) / (d1 - d0);
  const scale = (value) => r0 + (value - d0) * k;
  scale.invert = (pixel) => d0 + (pixel - r0) / k;
  scale.domain = [d0, d1];
  return scale;
}

/** A logarithmic scale; values at or below zero stand at the lower end. */
export function logarithmic(d0, d1, r0, r1) {
  const l0 = Math.log(d0);
  const k = (r1 - r0) / (Math.log(d1) - l0);
  const scale = (value) => (value <= d0 ? r0 : r0 + (Math.log(value) - l0) * k);
  scale.invert = (pixel) => Math.exp(l0 + (pixel - r0) / k);
  scale.domain = [d0, d1];
  return scale;
}

const tenth = (v) => Math.round(v * 10) / 10;

/** The path through points (x_i, y_i), each kept within some pixels around the figure. */
export function linePath(count, x, y) {
  let path = '';
  for (let i = 0; i < count; i++) {
    path += (i ? 'L' : 'M') + tenth(keep(x(i))) + ' ' + tenth(keep(y(i)));
  }
  return path;
}

/** The closed area between two curves over the same x. */
export function areaPath(count, x, upper, lower) {
  let path = '';
  for (let i = 0; i < count; i++) path += (i ? 'L' : 'M') + tenth(keep(x(i))) + ' ' + tenth(keep(upper(i)));
  for (let i = count - 1; i >= 0; i--) path += 'L' + tenth(keep(x(i))) + ' ' + tenth(keep(lower(i)));
  return path + 'Z';
}

function keep(v) {
  return v < -200 ? -200 : v > 4000 ? 4000 : v;
}

/** Round numbers between low and high, about `count` of them. */
export function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= raw * 0.999);
  const values = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-12) + 1e-300; i++) values.push(i * step);
  return values;
}

/** The next number of 1, 2, 4, 8 × 10ⁿ at or above a value: an axis that follows in calm steps. */
export function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 8, 10].map((f) => f * power).find((s) => s >= value * (1 - 1e-12));
}

/** Axis labels and hairlines, redrawn only when their key changes. */
export class Axis {
  /** @param {SVGElement} parent  @param {'x' | 'y'} direction */
  constructor(parent, direction) {
    this.direction = direction;
    this.group = svg('g', { class: `axis axis-${direction}`, 'aria-hidden': 'true' });
    parent.append(this.group);
    this.key = '';
  }

  /** @param {{at: number, label: string, strong?: boolean}[]} marks  pixels and words; from/to: the hairline's ends */
  draw(marks, from, to, labelAt) {
    const key = marks.map((m) => `${tenth(m.at)}${m.label}`).join('|') + `|${from}|${to}|${labelAt}`;
    if (key === this.key) return;
    this.key = key;
    this.group.replaceChildren(
      ...marks.flatMap((m) => {
        const at = Math.round(m.at) + 0.5;
        const line =
          this.direction === 'x'
            ? svg('line', { x1: at, x2: at, y1: from, y2: to })
            : svg('line', { x1: from, x2: to, y1: at, y2: at });
        if (m.strong) line.classList.add('strong');
        const text =
          this.direction === 'x'
            ? svg('text', { x: tenth(m.at), y: labelAt, 'text-anchor': m.anchor || 'middle' }, m.label)
            : svg('text', { x: labelAt, y: tenth(m.at) + 4, 'text-anchor': 'end' }, m.label);
        return m.label ? [line, text] : [line];
      }),
    );
  }
}

/** Calls back once for each frame in which something changed. */
export function perFrame(callback) {
  let waiting = 0;
  const request = () => {
    if (!waiting) {
      waiting = requestAnimationFrame(() => {
        waiting = 0;
        callback();
      });
    }
  };
  request.cancel = () => cancelAnimationFrame(waiting);
  return request;
}

/** Calls back when nothing has changed for a while. */
export function whenQuiet(callback, milliseconds) {
  let timer = 0;
  const request = () => {
    clearTimeout(timer);
    timer = setTimeout(callback, milliseconds);
  };
  request.cancel = () => clearTimeout(timer);
  return request;
}

/** Calls back in an idle moment; like `perFrame`, several requests are one. */
export function whenIdle(callback) {
  const [ask, withdraw] = window.requestIdleCallback ? [(f) => window.requestIdleCallback(f, { timeout: 250 }), window.cancelIdleCallback] : [(f) => setTimeout(f, 12), clearTimeout];
  let waiting = 0;
  const request = () => {
    if (!waiting) {
      waiting = ask(() => {
        waiting = 0;
        callback();
      });
    }
  };
  request.cancel = () => withdraw(waiting);
  return request;
}
