// Numbers as a reader writes them.  No DOM.

const SUPERSCRIPT = { '-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹' };

/** A number as a reader writes it: 0.0123, 4.5×10⁻⁶, ∞.  Never NaN, never "e-7". */
export function say(x, digits = 3) {
  if (Number.isNaN(x)) return '–';
  if (x === 0) return '0';
  const sign = x < 0 ? '−' : '';
  const size = Math.abs(x);
  if (size === Infinity) return `${sign}∞`;
  const [mantissa, exponent] = size.toExponential(digits - 1).split('e');
  const power = Number(exponent);
  if (power < -3 || power >= 5) {
    return `${sign}${mantissa}×10${Array.from(String(power), (c) => SUPERSCRIPT[c]).join('')}`;
  }
  return sign + size.toFixed(Math.max(0, digits - 1 - power));
}

/** A set value, with no more digits than it has: 0.99, 0.010067. */
export function sayExactly(x) {
  const size = Math.abs(x);
  if (x !== 0 && (size < 1e-4 || size >= 1e5)) return say(x, 3);
  return String(Number(x.toPrecision(6))).replace('-', '−');
}

export function sayCount(n) {
  return n >= 10000 ? String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',') : String(Math.round(n));
}
