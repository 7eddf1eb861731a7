// What a reader can set, within which limits, and how it stands in the page's address.  No DOM.

/** Typed values, the address and Python may go as far as this; the sliders cover what is seen most. */
export const LIMITS = { alpha: [0, 2], beta: [0, 25], t: [0, 1000], bars: [24, 48], T: [2, 4000], betas: [1e-6, 0.999], v_0: [0, 10], points: [2, 12] };

export const RANGE = [-3, 3];
const LEVELS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** A list of readable values from runs [start, end, step]; each run takes over where the last one ended. */
export function stops(...runs) {
  const values = [];
  for (const [start, end, step] of runs) {
    const count = Math.round((end - start) / step);
    for (let i = values.length ? 1 : 0; i <= count; i++) values.push(Number((start + i * step).toFixed(8)));
  }
  return values;
}

/** The slider's own values: one arrow key, one readable step, fine where the behaviour turns. */
export const ALPHA_STOPS = stops([0, 0.9, 0.01], [0.9, 0.99, 0.002], [0.99, 0.999, 0.0002], [0.999, 1.001, 0.0001], [1.001, 1.01, 0.0005], [1.01, 1.1, 0.005]);
export const BETA_STOPS = stops([0, 0.001, 0.0001], [0.001, 0.01, 0.0005], [0.01, 0.1, 0.002], [0.1, 1, 0.01], [1, 1.5, 0.02]);

/** The index of the stop nearest to a value. */
export function nearestStop(values, value) {
  let low = 0;
  let high = values.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle;
    else high = middle;
  }
  return value - values[low] <= values[high] - value ? low : high;
}

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
    heights.length >= LIMITS.bars[0] &&
    heights.length <= LIMITS.bars[1] &&
    heights.every((h) => typeof h === 'number' && Number.isFinite(h) && h >= 0 && h <= 1e9) &&
    heights.some((h) => h > 0)
  );
}

/** A number from text, or null: plain decimals, a comma for the point, a Unicode minus; nothing else. */
export function parseNumber(text, [low, high]) {
  const plain = String(text).trim().replace(',', '.').replace('−', '-');
  if (plain.length > 24 || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) && value >= low && value <= high ? value : null;
}

export function clamp(value, [low, high]) {
  return Math.min(high, Math.max(low, value));
}

/** 1 − x without the dust of binary fractions (1 − 0.99 = 0.01). */
export function oneMinus(x) {
  return Number((1 - x).toFixed(12));
}

// ------------------------------------------------------------------------------------------------------- the address

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

/** The part of an address's fragment that belongs to one prefix, as a Map of key to text.  It never throws. */
export function readAddress(fragment, prefix) {
  const found = new Map();
  for (const piece of String(fragment).replace(/^#/, '').slice(0, 4000).split('&').slice(0, 100)) {
    const at = piece.indexOf('=');
    if (at < 0 || !piece.startsWith(prefix + '.')) continue;
    const key = piece.slice(prefix.length + 1, at);
    let value = piece.slice(at + 1);
    try {
      value = decodeURIComponent(value);
    } catch {
      continue;
    }
    if (/^[a-zA-Z0-9-]{1,12}$/.test(key) && !found.has(key)) found.set(key, value);
  }
  return found;
}

/** The fragment with this prefix's part replaced; other widgets' parts stay, a plain anchor goes. */
export function writeAddress(fragment, prefix, entries) {
  const others = String(fragment)
    .replace(/^#/, '')
    .split('&')
    .filter((piece) => /^[a-z]+\.[a-zA-Z0-9-]+=/.test(piece) && !piece.startsWith(prefix + '.'));
  const own = entries.map(([key, value]) => `${prefix}.${key}=${encodeURIComponent(value)}`);
  return '#' + [...own, ...others].join('&');
}

/** The laboratory's state in an address: numbers within limits, the rest ignored. */
export function laboratoryFrom(fragment, prefix = 'lab') {
  const found = readAddress(fragment, prefix);
  const state = {};
  const number = (key, name, limits) => {
    if (!found.has(key)) return;
    const value = parseNumber(found.get(key), limits);
    if (value !== null) state[name] = value;
  };
  number('alpha', 'alpha', LIMITS.alpha);
  number('beta', 'beta', LIMITS.beta);
  number('t', 't', LIMITS.t);
  if ('t' in state) state.t = Math.round(state.t);
  const heights = found.has('x0') ? heightsFromText(found.get('x0')) : null;
  if (heights) state.histogram = heights;
  for (const [key, name] of [['coupled', 'coupled'], ['joined', 'joined']]) {
    if (found.get(key) === '1') state[name] = true;
    if (found.get(key) === '0') state[name] = false;
  }
  if (state.coupled) {
    const alpha = state.alpha ?? ('beta' in state ? oneMinus(state.beta) : null);
    if (alpha === null || alpha < 0 || alpha > 1) delete state.coupled;
    else {
      state.alpha = alpha;
      state.beta = oneMinus(alpha);
    }
  }
  return state;
}

export function laboratoryEntries(state) {
  return [
    ['alpha', String(state.alpha)],
    ['beta', String(state.beta)],
    ['t', String(state.t)],
    ['x0', heightsToText(state.histogram)],
    ['coupled', state.coupled ? '1' : '0'],
    ['joined', state.joined ? '1' : '0'],
  ];
}

/** What a reader can compare a schedule with. */
export const KINDS = ['constant', 'linear', 'cosine', 'drawn'];
export const COMPARED = ['nothing', 'constant', 'linear', 'constant, same end'];

/** The schedule explorer's state in an address: numbers within limits, the rest ignored. */
export function scheduleFrom(fragment, prefix = 'schedule') {
  const found = readAddress(fragment, prefix);
  const state = {};
  const number = (key, name, limits, whole = false) => {
    const value = found.has(key) ? parseNumber(found.get(key), limits) : null;
    if (value !== null) state[name] = whole ? Math.round(value) : value;
  };
  if (KINDS.includes(found.get('kind'))) state.kind = found.get('kind');
  const compared = (found.get('compare') || '').replace(/-/g, ' ').replace('constant same', 'constant, same');
  if (COMPARED.includes(compared)) state.compare = compared;
  number('T', 'T', LIMITS.T, true);
  number('t', 't', [0, LIMITS.T[1]], true);
  number('beta', 'beta', LIMITS.betas);
  number('beta1', 'beta_1', LIMITS.betas);
  number('betaT', 'beta_T', LIMITS.betas);
  number('v0', 'v_0', LIMITS.v_0);
  if (found.has('points')) {
    const points = found.get('points').split('_').slice(0, 40).map((text) => parseNumber(text, LIMITS.betas));
    if (points.length >= LIMITS.points[0] && points.length <= LIMITS.points[1] && !points.includes(null)) state.points = points;
  }
  return state;
}

export function scheduleEntries(state) {
  const entries = [
    ['kind', state.kind],
    ['T', String(state.T)],
    ['t', String(state.t)],
    ['beta', String(state.beta)],
    ['beta1', String(state.beta_1)],
    ['betaT', String(state.beta_T)],
    ['v0', String(state.v_0)],
    ['compare', state.compare.replace(/,? /g, '-')],
  ];
  if (state.kind === 'drawn') entries.push(['points', state.points.map((b) => String(Number(b.toPrecision(4)))).join('_')]);
  return entries;
}
