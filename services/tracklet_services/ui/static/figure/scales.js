/** Axes: from values to pixels, and the ticks between. */

/** @typedef {{ kind: 'linear' | 'log' | 'date' | 'category', at: (v: any) => number, ticks: [any, string][], categories?: string[], band: number }} Scale */

const DATE = /^\d{4}-\d\d(-\d\d)?([T ]\d\d:\d\d.*)?$/;

/** @param {any[]} values @param {any} axis */
function kindOf(values, axis) {
  if (['log', 'date', 'category', 'linear'].includes(axis.type)) return axis.type;
  const known = values.filter(v => v !== null && v !== undefined);
  const texts = known.filter(v => typeof v === 'string');
  if (!texts.length) return 'linear';
  if (texts.every(v => DATE.test(v))) return 'date';
  return texts.every(v => v.trim() !== '' && Number.isFinite(Number(v))) ? 'linear' : 'category';
}

/** @param {number} from @param {number} to @param {number} count */
export function steps(from, to, count) {
  const raw = (to - from) / Math.max(1, count);
  if (!(raw > 0) || !Number.isFinite(raw)) return [from];
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map(n => n * size).find(n => n >= raw) ?? raw;
  const found = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9 && found.length < 50; i++) found.push(i * step);
  return found;
}

/** @param {number} v */
export const short = v => (v === 0 ? '0' : Math.abs(v) >= 1e5 || Math.abs(v) < 1e-3 ? v.toExponential(1).replace(/\.0e/, 'e').replace('e+', 'e') : String(Number(v.toPrecision(4))));

/**
 * @param {any[]} values All values on the axis. @param {any} axis Its layout.
 * @param {number} from px @param {number} to px @param {{ zero?: boolean, pad?: boolean, band?: boolean }} [options]
 * @returns {Scale}
 */
export function scale(values, axis, from, to, { zero = false, pad = true, band = false } = {}) {
  const kind = kindOf(values, axis);
  if (kind === 'category') {
    const categories = [...new Set([...(Array.isArray(axis.categoryarray) ? axis.categoryarray : []), ...values.filter(v => v !== null && v !== undefined)].map(String))];
    if (axis.autorange === 'reversed') categories.reverse();
    const width = (to - from) / Math.max(1, categories.length);
    const places = new Map(categories.map((name, i) => [name, from + (i + 0.5) * width]));
    const every = Math.ceil(categories.length / 40);
    return { kind, categories, band: Math.abs(width), at: v => places.get(String(v)) ?? NaN, ticks: categories.filter((_, i) => i % every === 0).map(name => [name, name]) };
  }
  const number = (/** @type {any} */ v) => {
    if (v === null || v === undefined || v === '') return NaN;
    if (kind === 'date') return typeof v === 'number' ? v : Date.parse(String(v).replace(' ', 'T'));
    return kind === 'log' ? Math.log10(Number(v)) : Number(v);
  };
  const numbers = values.map(number).filter(Number.isFinite);
  let [low, high] = [Infinity, -Infinity];
  for (const v of numbers) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  if (zero && kind === 'linear') [low, high] = [Math.min(low, 0), Math.max(high, 0)];
  if (!numbers.length) [low, high] = [0, 1];
  const distinct = [...new Set(numbers)].sort((a, b) => a - b);
  let gap = high - low || 1;
  for (let i = 1; i < distinct.length; i++) gap = Math.min(gap, distinct[i] - distinct[i - 1]);
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const margin = band ? gap / 2 : pad ? (high - low) * 0.05 : 0;
  if (!(zero && low === 0) || band) low -= margin;
  if (!(zero && high === 0) || band) high += margin;
  if (Array.isArray(axis.range) && axis.range.length === 2) {
    const given = axis.range.map((/** @type {any} */ v) => (kind === 'date' ? number(v) : Number(v)));
    if (given.every(Number.isFinite) && given[0] !== given[1]) [low, high] = given;
  } else if (axis.autorange === 'reversed') [low, high] = [high, low];
  const at = (/** @type {any} */ v) => from + ((number(v) - low) / (high - low)) * (to - from);
  const [least, most] = [Math.min(low, high), Math.max(low, high)];
  /** @type {[any, string][]} */
  let ticks;
  if (kind === 'log') {
    const powers = steps(least, most, 6).filter(Number.isInteger);
    ticks = (powers.length > 1 ? powers : steps(least, most, 4)).map(v => [10 ** v, short(10 ** v)]);
  } else if (kind === 'date') {
    // A figure has its own times, which are not of a zone; those of runs are told as everywhere else.
    const told = axis.tell ?? ((/** @type {number} */ v) => (Math.abs(v) <= 8.64e15 ? new Date(v).toISOString().replace('T', ' ') : String(v)));
    ticks = steps(least, most, 5).map(v => [v, told(v).slice(0, most - least > 2 * 86400e3 ? 10 : 16)]);
  } else if (Array.isArray(axis.tickvals)) {
    const texts = Array.isArray(axis.ticktext) ? axis.ticktext : axis.tickvals;
    ticks = axis.tickvals.map((/** @type {any} */ v, /** @type {number} */ i) => [v, String(texts[i] ?? v)]);
  } else {
    ticks = steps(least, most, Math.abs(to - from) / 80).map(v => [v, short(v)]);
  }
  return { kind, at, ticks, band: Math.abs((gap / (high - low)) * (to - from)) };
}
