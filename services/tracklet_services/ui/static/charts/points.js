/** The values of a column for drawing: numbers, or categories by their order; and the runs that have them. */
import { textOf } from '../table/rows.js';

/** What can be drawn. @param {import('../table/columns.js').Use[]} uses @returns {string[]} */
export const drawable = uses => ['attribute.start_time', 'duration', 'attribute.status', ...uses.filter(([kind, key]) => kind !== 'tag' || !/^(mlflow|tracklet)\./.test(key)).map(([kind, key]) => `${kind}.${key}`)];

/** @param {string} name */
export const title = name => name.replace(/^(metric|param|tag)\./, '').replace('attribute.', '').replace('_', ' ');

/** The columns that must have come before a name can be drawn. @param {string[]} names */
export const fetched = names => names.filter(name => /^(metric|param|tag)\./.test(name));

/**
 * @param {any} data @param {string} name
 * @returns {{ name: string, numeric: boolean, of: (row: number) => any }} NaN or an empty text where a run has none.
 */
export function axisOf(data, name) {
  if (name === 'attribute.start_time') return { name, numeric: true, of: row => data.start[row] };
  if (name === 'duration') return { name, numeric: true, of: row => (data.end[row] - data.start[row]) / 1000 };
  const column = data.columns.get(name);
  if (column?.kind === 'number') return { name, numeric: true, of: row => column.values[row] };
  if (column?.numeric) return { name, numeric: true, of: row => (column.values[row] ? Number(column.texts[column.values[row] - 1]) : NaN) };
  if (column) return { name, numeric: false, of: row => (column.values[row] ? column.texts[column.values[row] - 1] : '') };
  return { name, numeric: false, of: row => textOf(data, name, row) };
}

/** Whether a logarithmic axis suits: all are above 0, and they reach over two powers of ten. @param {number[]} values */
export function suitsLog(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (!Number.isFinite(v)) continue;
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return low > 0 && high / low >= 100;
}

/** A colour between two, by place from 0 to 1: told apart in light and dark, and by most eyes. @param {number} at */
export function ramp(at) {
  const stops = [[68, 84, 196], [33, 145, 140], [120, 170, 60], [240, 170, 30]];
  const place = Math.max(0, Math.min(1, at)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(place));
  return `rgb(${stops[i].map((v, k) => Math.round(v + (stops[i + 1][k] - v) * (place - i))).join(' ')})`;
}

/** The rank correlation of two axes, and of how many runs. @param {number[]} rows @param {(row: number) => number} a @param {(row: number) => number} b */
export function correlation(rows, a, b) {
  const known = rows.filter(row => Number.isFinite(a(row)) && Number.isFinite(b(row)));
  const ranks = (/** @type {(row: number) => number} */ of) => {
    const sorted = [...known].sort((x, y) => of(x) - of(y));
    const made = new Map();
    for (let i = 0; i < sorted.length; ) {
      let j = i;
      while (j < sorted.length && of(sorted[j]) === of(sorted[i])) j++;
      for (let k = i; k < j; k++) made.set(sorted[k], (i + j - 1) / 2);
      i = j;
    }
    return made;
  };
  const n = known.length;
  if (n < 3) return { n, r: NaN };
  const [x, y] = [ranks(a), ranks(b)];
  const middle = (n - 1) / 2;
  let [xy, xx, yy] = [0, 0, 0];
  for (const row of known) {
    const [p, q] = [x.get(row) - middle, y.get(row) - middle];
    xy += p * q;
    xx += p * p;
    yy += q * q;
  }
  return { n, r: xy / Math.sqrt(xx * yy) };
}

/** A value in a filter. @param {string} name @param {string} op @param {any} value */
export const condition = (name, op, value) => `${term(name)} ${op} ${typeof value === 'number' ? value : `'${value}'`}`;

/** @param {string} name */
export function term(name) {
  const dot = name.indexOf('.');
  const key = name.slice(dot + 1);
  return name.startsWith('attribute.') ? `attributes.${key}` : `${name.slice(0, dot)}s.${key.includes('`') ? `"${key}"` : `\`${key}\``}`;
}
