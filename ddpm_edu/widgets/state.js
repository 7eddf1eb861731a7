// What every widget's state is made of: stops of sliders, typed numbers, the page's address.  No DOM.

/** A list of readable values from runs [start, end, step]; each run takes over where the last one ended. */
export function stops(...runs) {
  const values = [];
  for (const [start, end, step] of runs) {
    const count = Math.round((end - start) / step);
    for (let i = values.length ? 1 : 0; i <= count; i++) values.push(Number((start + i * step).toFixed(8)));
  }
  return values;
}

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
