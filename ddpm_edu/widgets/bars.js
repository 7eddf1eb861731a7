// The histogram that a reader draws: bars dragged by mouse, pen and touch, or moved with the arrow keys.

import { Axis, html, linear, setAttribute, svg, ticks } from './drawing.js';
import { uniqueId } from './controls.js';
import { drags } from './plot.js';
import { RANGE, scaled } from './starts.js';
import { say, sayExactly } from './words.js';

/**
 * A figure of bars over RANGE; whatever is drawn is given to `change` as { histogram: heights }.
 * @param {{title: Node[], change: (part: object) => void, state: {histogram: number[]}, axis?: number[], side?: number, head?: number}} options
 *     `axis`: from where to where the axis reaches, RANGE unless wider; `side`: pixels kept free at its left and right, `head` above the bars
 */
export function barsFigure({ title, change, state, axis: [from, to] = RANGE, side = 10, head = 10 }) {
  const margin = { left: side, right: side, top: head, bottom: 26 };
  const help = uniqueId('help');
  const box = svg('svg', { class: 'plot', role: 'group', 'aria-label': 'Starting histogram', 'aria-describedby': help });
  const axis = new Axis(box, 'x');
  const bars = svg('g', { class: 'bars part part-x-0', 'data-part': 'x-0' });
  box.append(bars);
  const caption = html(
    'figcaption',
    {},
    html('b', {}, ...title),
    html('span', { class: 'aside', id: help }, 'Redraw it: drag, or arrow keys.'),
  );
  let x = linear(from, to, 0, 1);
  let height = 0;
  let rects = [];
  let current = 0;
  let shown = [];

  const floorY = () => height - margin.bottom;
  const full = () => floorY() - margin.top;

  const heightsNow = () => scaled(state.histogram);

  const put = (heights) => {
    if (heights.some((h) => h > 0)) change({ histogram: heights });
  };

  const build = (count) => {
    rects = Array.from({ length: count }, (_, k) =>
      svg('rect', {
        role: 'slider',
        tabindex: k === current ? 0 : -1,
        'aria-orientation': 'vertical',
        'aria-valuemin': 0,
        'aria-valuemax': 100,
        onkeydown: (event) => pressed(event, k),
        onfocus: () => rove(k, false),
      }),
    );
    bars.replaceChildren(...rects);
    shown = new Array(count).fill(NaN);
  };

  const rove = (k, move = true) => {
    setAttribute(rects[current], 'tabindex', -1);
    current = k;
    setAttribute(rects[current], 'tabindex', 0);
    if (move) rects[current].focus({ preventScroll: true });
  };

  const pressed = (event, k) => {
    const steps = { ArrowUp: 0.02, ArrowDown: -0.02, PageUp: 0.2, PageDown: -0.2 };
    const moves = { ArrowLeft: k - 1, ArrowRight: k + 1 };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in moves) rove(Math.min(rects.length - 1, Math.max(0, moves[event.key])));
    else if (event.key in steps || event.key === 'Home' || event.key === 'End') {
      const heights = heightsNow();
      const now = event.key === 'Home' ? 0 : event.key === 'End' ? 1 : heights[k] + steps[event.key];
      heights[k] = Math.round(Math.min(1, Math.max(0, now)) * 10000) / 10000;
      put(heights);
    } else return;
    event.preventDefault();
  };

  // Drawing by pointer works on the scale that the bars had when the stroke began: the others stay where they are.
  let stroke = null;
  const at = (place) => {
    const inside = (x.invert(place.x) - RANGE[0]) / (RANGE[1] - RANGE[0]);
    return {
      k: Math.min(rects.length - 1, Math.max(0, Math.floor(inside * rects.length))),
      h: Math.round(Math.min(1, Math.max(0, (floorY() - place.y) / full())) * 100) / 100,
    };
  };
  const paint = (place) => {
    const to = at(place);
    const from = stroke.last || to;
    const count = Math.abs(to.k - from.k);
    for (let i = 0; i <= count; i++) {
      const share = count ? i / count : 1;
      stroke.heights[from.k + Math.sign(to.k - from.k) * i] = from.h + share * (to.h - from.h);
    }
    stroke.last = to;
    put(stroke.heights.slice());
  };
  drags(box, {
    start: (place) => {
      stroke = { heights: heightsNow(), last: null };
      paint(place);
      rove(stroke.last.k);
    },
    move: paint,
    end: () => {
      rove(stroke.last.k); // the arrow keys go on where the pointer stopped
      stroke = null;
      change({}); // the highest bar fills the frame again
    },
  });

  return {
    caption,
    element: box,
    /** The pixels of a point: x, and the height as a share of the highest bar. */
    place: (value, share) => [x(value), floorY() - share * full()],
    resize: () => {
      x = linear(from, to, margin.left, (box.clientWidth || 240) - margin.right);
      height = box.clientHeight || 220;
      shown.fill(NaN);
      axis.draw(ticks(from, to, 7).map((v) => ({ at: x(v), label: sayExactly(v) })), floorY(), floorY() + 5, floorY() + 19);
    },
    draw: (now, histogram) => {
      if (rects.length !== histogram.count) {
        current = Math.min(current, histogram.count - 1);
        build(histogram.count);
      }
      // while a stroke is drawn the bars stand as drawn; afterwards the highest fills the frame
      const heights = stroke ? now.histogram : scaled(now.histogram);
      const pitch = (x(RANGE[1]) - x(RANGE[0])) / rects.length;
      for (let k = 0; k < rects.length; k++) {
        if (shown[k] === heights[k]) continue;
        shown[k] = heights[k];
        const tall = Math.max(1.5, heights[k] * full());
        const left = x(RANGE[0]) + k * pitch;
        setAttribute(rects[k], 'x', (left + 0.5).toFixed(1));
        setAttribute(rects[k], 'width', (pitch - 1).toFixed(1));
        setAttribute(rects[k], 'y', (floorY() - tall).toFixed(1));
        setAttribute(rects[k], 'height', tall.toFixed(1));
        const percent = Math.round(heights[k] * 100);
        setAttribute(rects[k], 'aria-valuenow', percent);
        setAttribute(rects[k], 'aria-valuetext', `${percent} % of full height`);
        if (!rects[k].hasAttribute('aria-label')) {
          const edge = RANGE[0] + k * histogram.width;
          setAttribute(rects[k], 'aria-label', `Bar ${k + 1} of ${rects.length}, x from ${say(edge)} to ${say(edge + histogram.width)}`);
        }
      }
    },
  };
}
