// When a widget draws and when it works: once a frame, and in idle moments while it is in sight.

import { perFrame, setAttribute, whenIdle } from './drawing.js';

/**
 * Draws what is in `outer` and carries on its long work, until `stop`; `update` asks for a drawing.
 *
 * `draw(visible)` paints, may do a little of the work first if the widget is in sight, and returns whether work is left.
 * `work(late)` goes on with it for some milliseconds and returns the same; it is told whether the last drawing is old.
 */
export function stage(outer, figures, draw, work) {
  let visible = true;
  let sized = false;
  let asked = false;
  let drawnAt = 0;
  const drawNow = () => {
    if (!sized) return;
    asked = false;
    if (draw(visible)) labour();
    drawnAt = performance.now();
  };
  const redraw = perFrame(drawNow);
  const update = () => {
    asked = true;
    redraw();
  };
  const labour = whenIdle(() => {
    if (!visible || asked) return; // the next drawing starts it again
    if (work(performance.now() > drawnAt + 250)) labour();
  });
  const resize = new ResizeObserver(() => {
    setAttribute(outer, 'data-columns', outer.clientWidth >= 640 ? '2' : '1');
    for (const figure of figures) figure.resize();
    sized = true;
    drawNow();
  });
  resize.observe(outer);
  const sight = new IntersectionObserver((entries) => {
    visible = entries[entries.length - 1].isIntersecting;
    if (visible) update();
  });
  sight.observe(outer);
  const stop = () => {
    resize.disconnect();
    sight.disconnect();
    redraw.cancel();
    labour.cancel();
  };
  return { update, stop };
}
