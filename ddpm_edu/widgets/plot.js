// Figures: a clipped frame that knows its size, what is drawn in it, its key, and dragging by mouse, pen and touch.

import { html, setAttribute, svg } from './drawing.js';
import { uniqueId } from './controls.js';

/**
 * An SVG figure whose curves stay within its frame.  Put curves into `inside`; `resize` reads its size from the page.
 * @param {{left: number, right: number, top?: number, bottom: number}} margin  pixels kept free for axes
 * @param {object} attributes  of the svg element: class, role, aria-label
 */
export function plotBox(margin, attributes) {
  const clip = uniqueId('clip');
  const clipBox = svg('rect', { y: 0 });
  const element = svg('svg', attributes, svg('defs', {}, svg('clipPath', { id: clip }, clipBox)));
  const plot = {
    element,
    inside: svg('g', { 'clip-path': `url(#${clip})` }),
    width: 0,
    height: 0,
    left: margin.left,
    right: 0, // the pixel at which the frame ends, and so is bottom
    top: margin.top || 0,
    bottom: 0,
    resize: () => {
      plot.width = element.clientWidth || 320;
      plot.height = element.clientHeight || 220;
      plot.right = plot.width - margin.right;
      plot.bottom = plot.height - margin.bottom;
      const size = { x: plot.left, width: Math.max(1, plot.right - plot.left), height: Math.max(1, plot.bottom + 1) };
      for (const [name, value] of Object.entries(size)) setAttribute(clipBox, name, value);
    },
    /** A curve in the frame, which lights up with its part. */
    path: (name, part) => {
      const path = svg('path', { class: part ? `${name} part part-${part}` : name, 'data-part': part });
      plot.inside.append(path);
      return path;
    },
  };
  return plot;
}

/** A key of a figure: a sample of the line or area, and its name. */
export function key(part, kind, ...words) {
  return html('span', { class: `key part-${part}`, 'data-part': part }, html('span', { class: `swatch swatch-${kind}`, 'aria-hidden': 'true' }), html('span', {}, ...words));
}

/** A path that leaves out points which would not move the pen. */
export function curvePath(count, x, y) {
  let path = '';
  let lastX = NaN;
  let lastY = NaN;
  for (let i = 0; i < count; i++) {
    const px = Math.min(4000, Math.max(-4000, x(i)));
    const py = Math.max(-400, y(i));
    if (i > 0 && i < count - 1 && Math.abs(px - lastX) < 0.6 && Math.abs(py - lastY) < 0.6) continue;
    path += (i ? 'L' : 'M') + Math.round(px * 10) / 10 + ' ' + Math.round(py * 10) / 10;
    lastX = px;
    lastY = py;
  }
  return path;
}

/** Places a line or a dot: setAttribute for several pixels at once. */
export function place(element, pixels) {
  for (const [name, value] of Object.entries(pixels)) setAttribute(element, name, Number.isFinite(value) ? Math.round(value * 10) / 10 : 0);
}

/**
 * Dragging on an element: `start` on a press (false: not here), `move` while it lasts, `end` after it; `hover` without it.
 * Each is given the place in pixels from the element's upper left corner, and the event.
 */
export function drags(element, { start, move, end = () => {}, hover = null, leave = null }) {
  let dragging = false;
  const at = (event) => {
    const frame = element.getBoundingClientRect();
    return { x: event.clientX - frame.left, y: event.clientY - frame.top };
  };
  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0 || start(at(event), event) === false) return;
    dragging = true;
    element.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  element.addEventListener('pointermove', (event) => {
    if (dragging) move(at(event), event);
    else if (hover && event.pointerType !== 'touch') hover(at(event), event);
  });
  if (leave) element.addEventListener('pointerleave', leave);
  for (const name of ['pointerup', 'pointercancel', 'lostpointercapture']) {
    element.addEventListener(name, () => {
      if (!dragging) return;
      dragging = false;
      end();
    });
  }
}
