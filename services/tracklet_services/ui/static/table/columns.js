/** The columns of the run table: which, in what order, and what their cells say. */
import * as format from '../lib/format.js';

/**
 * @typedef {[kind: 'metric' | 'param' | 'tag', key: string, runs: number, differs: boolean]} Use
 * @typedef {import('./grid.js').Column} Column
 */

const MOST = 16;

/** @param {string} key */
export const isOwn = key => key.startsWith('mlflow.') || key.startsWith('tracklet.') || key.startsWith('system/');

/** The columns that nobody asked for: some metrics, and what makes the runs differ. @param {Use[]} uses */
export function usual(uses) {
  const metrics = uses.filter(([kind, key]) => kind === 'metric' && !isOwn(key)).sort((a, b) => b[2] - a[2]);
  const params = uses.filter(([kind, key]) => kind === 'param' && !isOwn(key)).sort((a, b) => Number(b[3]) - Number(a[3]) || b[2] - a[2]);
  const first = metrics.slice(0, Math.max(MOST / 2, MOST - params.length));
  const second = params.slice(0, MOST - Math.min(first.length, MOST));
  return [...first, ...second].map(([kind, key]) => `${kind}.${key}`);
}

/** @param {string} text The address's `cols`. @returns {string[]} */
export const parse = text => text.split(',').filter(Boolean).map(one => {
  try {
    return decodeURIComponent(one);
  } catch {
    return one;
  }
});

/** @param {string[]} names */
export const spell = names => names.map(name => name.replace(/[%,]/g, encodeURIComponent)).join(',');

/** The columns that patterns name; `*` is any text. @param {string[]} patterns @param {Use[]} uses */
export function matching(patterns, uses) {
  const names = uses.map(([kind, key]) => `${kind}.${key}`);
  const known = new Set(names);
  /** @type {Set<string>} */
  const found = new Set();
  for (const pattern of patterns) {
    if (!pattern.includes('*')) {
      if (known.has(pattern)) found.add(pattern);
      continue;
    }
    const [head, ...rest] = pattern.split('*');
    for (const name of names) if (name.startsWith(head) && ends(name.slice(head.length), rest)) found.add(name);
  }
  return [...found];
}

/** @param {string} text @param {string[]} parts */
function ends(text, parts) {
  for (const part of parts.slice(0, -1)) {
    const at = text.indexOf(part);
    if (at < 0) return false;
    text = text.slice(at + part.length);
  }
  return text.endsWith(parts[parts.length - 1]);
}

/** What a column is called in `order_by`. @param {string} name */
export function term(name) {
  const dot = name.indexOf('.');
  const kind = name.slice(0, dot);
  const key = name.slice(dot + 1);
  return kind === 'attribute' ? `attributes.${key}` : `${kind}s.${key.includes('`') ? `"${key}"` : `\`${key}\``}`;
}

/**
 * @param {any} data The table. @param {string[]} names
 * @param {(name: string) => string | undefined} title
 * @returns {Column[]}
 */
export function made(data, names, title = () => undefined) {
  /** @type {Column[]} */
  const columns = [
    { name: 'attribute.run_name', title: 'Run', width: 240, text: row => data.names[row] || data.ids[row].slice(0, 8) },
    {
      name: 'attribute.status', title: 'Status', width: 96,
      text: row => format.status(data.text('status', row)),
      mark: row => data.text('status', row),
    },
    { name: 'attribute.start_time', title: 'Age', width: 84, number: true, text: row => format.age(data.start[row]) },
    {
      name: 'duration', title: 'Duration', width: 96, number: true, sortable: false,
      text: row => format.duration((Number.isNaN(data.end[row]) ? (data.text('status', row) === 'RUNNING' ? Date.now() : NaN) : data.end[row]) - data.start[row]),
    },
  ];
  if (data.experiments.length > 1)
    columns.push({ name: 'experiment', title: 'Experiment', width: 140, sortable: false, text: row => title(data.text('experiment', row)) ?? '' });
  let before = '';
  for (const name of names) {
    const dot = name.indexOf('.');
    const kind = name.slice(0, dot);
    const key = name.slice(dot + 1);
    const values = data.columns.get(name);
    columns.push({
      name,
      title: key,
      caption: kind === before ? '' : `${kind}s`,
      width: Math.max(96, Math.min(220, 30 + Math.max(key.length, longest(values)) * 7.2)),
      // Whether texts are numbers is known when they have come.
      get number() {
        return kind === 'metric' || !!data.columns.get(name)?.numeric;
      },
      text: row => fitting(data.columns.get(name), row),
    });
    before = kind;
  }
  return columns;
}

/** The length of the longest of the first texts. @param {any} column */
const longest = column => (column?.kind === 'text' ? Math.max(0, ...column.texts.slice(0, 50).map((/** @type {string} */ text) => text.length)) : 0);

/** A number that was written with many digits is shown with as many as of a metric. @param {any} column @param {number} row */
function fitting(column, row) {
  const text = cell(column, row);
  return column?.numeric && text.length > 12 ? format.number(Number(text)) : text;
}

/** @param {any} column @param {number} row */
export function cell(column, row) {
  if (!column) return '';
  if (column.kind === 'text') {
    const code = column.values[row];
    return code ? column.texts[code - 1] : '–';
  }
  const value = column.values[row];
  if (Number.isNaN(value)) return column.present?.[row] ? 'NaN' : '–';
  return format.number(value);
}
