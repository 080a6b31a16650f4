/** What the rows of the table are: runs, below their parents or below the group that they belong to. */
import * as format from '../lib/format.js';
import { cell } from './columns.js';

/**
 * @typedef {object} Group
 * @property {string} id
 * @property {string} label
 * @property {[string, string][]} parts  What its runs have in common.
 * @property {number[]} rows
 * @property {Map<string, any>} known  What was counted already.
 *
 * @typedef {object} Row
 * @property {number} row      A row of the data; -1 of a group.
 * @property {number} depth
 * @property {number} below    How many runs are below it.
 * @property {boolean} open
 * @property {Group} [group]
 */

/** @param {any} data @param {string} name @param {number} row @param {(id: string) => string} title */
export function textOf(data, name, row, title = id => id) {
  if (name === 'attribute.status') return format.status(data.text('status', row));
  if (name === 'attribute.user') return data.text('user', row) || '–';
  if (name === 'experiment') return title(data.text('experiment', row));
  if (name === 'parent') return data.parent[row] < 0 ? 'no parent' : data.names[data.parent[row]] || data.ids[data.parent[row]].slice(0, 8);
  return cell(data.columns.get(name), row);
}

/** The key of a column without its kind. @param {string} name */
export const short = name => name.slice(name.indexOf('.') + 1);

/**
 * The runs by what they have in common.
 * @param {any} data @param {string[]} by @param {(id: string) => string} title @returns {Group[]}
 */
export function groupsOf(data, by, title) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (let row = 0; row < data.count; row++) {
    const parts = by.map(name => /** @type {[string, string]} */ ([name, textOf(data, name, row, title)]));
    // Parents are told apart by their ids: several may have one name.
    const id = JSON.stringify(parts.map(([name, text]) => (name === 'parent' ? (data.ids[data.parent[row]] ?? '') : text)));
    let group = groups.get(id);
    if (!group) groups.set(id, (group = { id, label: parts.map(([name, text]) => `${short(name)}: ${text}`).join(', '), parts, rows: [], known: new Map() }));
    group.rows.push(row);
  }
  const uses = new Map();
  for (const { label } of groups.values()) uses.set(label, (uses.get(label) ?? 0) + 1);
  for (const group of groups.values()) if (uses.get(group.label) > 1) group.label += ` · ${data.ids[data.parent[group.rows[0]]]?.slice(0, 8) ?? ''}`;
  return [...groups.values()];
}

/** What the values of a group's runs come to. @param {any} column @param {Group} group @param {string} name */
export function summary(column, group, name) {
  const known = group.known.get(name);
  if (known) return known;
  let [count, sum, least, most] = [0, 0, Infinity, -Infinity];
  for (const row of group.rows) {
    const value = column.values[row];
    if (!Number.isFinite(value)) continue;
    count++;
    sum += value;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const mean = sum / count;
  let squares = 0;
  for (const row of group.rows) if (Number.isFinite(column.values[row])) squares += (column.values[row] - mean) ** 2;
  const made = { count, mean, least, most, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : NaN };
  group.known.set(name, made);
  return made;
}

/** What a group's cell says. @param {any} data @param {string} name @param {Group} group @param {string} as mean, min or max */
export function groupCell(data, name, group, as) {
  const column = data.columns.get(name);
  if (!column) return '';
  if (column.kind === 'text') {
    const texts = new Set(group.rows.map(row => cell(column, row)));
    return texts.size === 1 ? [...texts][0] : `${format.count(texts.size)} values`;
  }
  const { count, mean, least, most, deviation } = summary(column, group, name);
  if (!count) return '–';
  if (as === 'min') return format.number(least);
  if (as === 'max') return format.number(most);
  return Number.isNaN(deviation) ? format.number(mean) : `${format.number(mean, 4)} ± ${format.number(deviation, 2)}`;
}

/**
 * The rows as they are shown.
 * @param {any} data
 * @param {{ groups: Group[] | null, flat: boolean, open: Set<string>, base: string, sort: [string, number] | null, as: string }} how
 * @returns {Row[]}
 */
export function rowsOf(data, { groups, flat, open, base, sort, as }) {
  /** @type {Row[]} */
  const shown = [];
  const one = (/** @type {number} */ row, depth = 0, below = 0) => ({ row, depth, below, open: below > 0 && open.has(data.ids[row]) });
  const pinned = base ? data.ids.indexOf(base) : -1;
  if (pinned >= 0) shown.push(one(pinned));
  if (groups) {
    let sorted = groups;
    const column = sort && data.columns.get(sort[0]);
    if (sort && column?.kind === 'number') {
      const by = (/** @type {Group} */ group) => {
        const { count, mean, least, most } = summary(column, group, sort[0]);
        return count ? (as === 'min' ? least : as === 'max' ? most : mean) * sort[1] : Infinity;
      };
      sorted = [...groups].sort((a, b) => by(a) - by(b) || 0);
    }
    for (const group of sorted) {
      const row = { row: -1, depth: 0, below: group.rows.length, open: open.has(group.id), group };
      shown.push(row);
      if (row.open) for (const member of group.rows) if (member !== pinned) shown.push(one(member, 1));
    }
    return shown;
  }
  if (flat || !data.parent.some((/** @type {number} */ row) => row >= 0)) {
    for (let row = 0; row < data.count; row++) if (row !== pinned) shown.push(one(row));
    return shown;
  }
  /** @type {number[][]} */
  const children = [];
  const below = new Int32Array(data.count);
  for (let row = 0; row < data.count; row++) {
    const parent = data.parent[row];
    if (parent >= 0) (children[parent] ??= []).push(row);
    // Parents that go in a circle have no end.
    for (let at = parent, steps = 0; at >= 0 && steps < 50 && at !== row; at = data.parent[at], steps++) below[at]++;
  }
  const placed = new Uint8Array(data.count);
  const put = (/** @type {number} */ row, /** @type {number} */ depth) => {
    if (placed[row]) return;
    placed[row] = 1;
    const made = one(row, depth, below[row]);
    // A baseline that is a parent is both on top and where its children are.
    if (row !== pinned || children[row]) shown.push(made);
    for (const child of children[row] ?? []) {
      if (made.open) put(child, depth + 1);
      else hide(child);
    }
  };
  // Not by itself: a chain of runs may be longer than calls may be nested.
  const hide = (/** @type {number} */ row) => {
    const waiting = [row];
    while (waiting.length) {
      const at = /** @type {number} */ (waiting.pop());
      if (placed[at]) continue;
      placed[at] = 1;
      for (const child of children[at] ?? []) waiting.push(child);
    }
  };
  for (let row = 0; row < data.count; row++) if (data.parent[row] < 0) put(row, 0);
  for (let row = 0; row < data.count; row++) put(row, 0);
  return shown;
}
