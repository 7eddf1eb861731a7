// The histograms that a reader can start from: ready-made ones, and how drawn ones stand in an address.  No DOM.

/** How many bars a histogram may have. */
export const BARS = [24, 48];

/** Where they stand. */
export const RANGE = [-3, 3];
const LEVELS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Starting histograms, by name: heights of any unit on 32 bars over [−3, 3]. */
export const STARTS = (() => {
  const centres = Array.from({ length: 32 }, (_, k) => -3 + (k + 0.5) * (6 / 32));
  const hump = (x, m, s) => Math.exp(-0.5 * ((x - m) / s) ** 2);
  const heights = {
    'two humps': centres.map((x) => hump(x, -1.3, 0.5) + 1.5 * hump(x, 1.4, 0.5)),
    comb: centres.map((_, k) => (k % 5 === 3 ? 1 : 0)),
    spike: centres.map((_, k) => (k === 22 ? 1 : 0)),
    skewed: centres.map((x) => (x > -1.7 ? (x + 1.7) * Math.exp(-1.9 * (x + 1.7)) : 0)),
    'standard normal': centres.map((x) => hump(x, 0, 1)),
  };
  for (const name of Object.keys(heights)) heights[name] = scaled(heights[name]);
  return heights;
})();

/** Heights with the largest one 1, rounded so that they read well. */
export function scaled(heights) {
  const top = Math.max(...heights);
  return heights.map((h) => Number((h / top).toFixed(4)));
}

/** The name of the ready-made start that has these bars, whatever their unit, or null. */
export function startNamed(heights) {
  const own = scaled(heights);
  return Object.keys(STARTS).find((name) => sameHeights(STARTS[name], own, 1.01e-4)) || null;
}

export function sameHeights(a, b, apart = 1e-9) {
  return a.length === b.length && a.every((h, k) => Math.abs(h - b[k]) < apart);
}

/** True for a list of heights that makes a histogram. */
export function validHeights(heights) {
  return (
    Array.isArray(heights) &&
    heights.length >= BARS[0] &&
    heights.length <= BARS[1] &&
    heights.every((h) => typeof h === 'number' && Number.isFinite(h) && h >= 0 && h <= 1e9) &&
    heights.some((h) => h > 0)
  );
}

/** Heights as text: a name, or one character a bar. */
export function heightsToText(heights) {
  const name = startNamed(heights);
  if (name) return name.replace(/ /g, '-');
  const top = Math.max(...heights);
  return heights.map((h) => LEVELS[h > 0 ? Math.max(1, Math.round((h / top) * 61)) : 0]).join('');
}

/** Heights from such text, or null. */
export function heightsFromText(text) {
  const name = String(text).replace(/-/g, ' ');
  if (Object.prototype.hasOwnProperty.call(STARTS, name)) return STARTS[name];
  if (!/^[0-9A-Za-z]{24,48}$/.test(text)) return null;
  const heights = Array.from(text, (c) => Number((LEVELS.indexOf(c) / 61).toFixed(4)));
  return validHeights(heights) ? heights : null;
}
