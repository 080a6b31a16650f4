/** The columns as the grid has them: for its rows, which may be groups, and beside a baseline. */
import * as format from '../lib/format.js';
import { bestOf, guess } from './best.js';
import { made } from './columns.js';
import { groupCell, short } from './rows.js';

/**
 * @param {any} data @param {string[]} names @param {import('./rows.js').Row[]} rows
 * @param {{ title: (id: string) => string | undefined, pins: string[], widths: Record<string, number>, better: Record<string, import('./best.js').Direction>, base: string, as: string }} how
 * @returns {{ columns: import('./grid.js').Column[], pins: number }}
 */
export function shownColumns(data, names, rows, { title, pins, widths, better, base, as }) {
  const baseRow = base ? data.ids.indexOf(base) : -1;
  const known = new Set(names);
  const all = made(data, names, title).map(column => wrapped(column));
  const [first, ...others] = all;
  const pinned = pins.flatMap(name => others.filter(column => column.name === name));
  const columns = [first, ...pinned, ...others.filter(column => !pinned.includes(column))];
  let before = '';
  for (const column of columns.slice(pinned.length + 1)) {
    if (!known.has(column.name)) continue;
    const kind = `${column.name.slice(0, column.name.indexOf('.'))}s`;
    column.caption = kind === before ? '' : kind;
    before = kind;
  }
  return { columns, pins: pinned.length + 1 };

  /** @param {import('./grid.js').Column} column @returns {import('./grid.js').Column} */
  function wrapped(column) {
    const { name } = column;
    const isData = known.has(name);
    const isMetric = isData && name.startsWith('metric.');
    const direction = isMetric ? (better[name] ?? guess(short(name))) : 'none';
    const value = (/** @type {number} */ row) => data.columns.get(name)?.values[row] ?? NaN;
    const wide = column.width + (isMetric && (baseRow >= 0 || rows.some(row => row.group)) ? 60 : 0);
    const text = (/** @type {number} */ i) => {
      const at = rows[i];
      if (at.group) {
        if (name === 'attribute.run_name') return `${at.group.label} (${format.count(at.group.rows.length)})`;
        return isData ? groupCell(data, name, at.group, as) : '';
      }
      if (name === 'attribute.run_name') return column.text(at.row) + (at.below ? ` (${format.count(at.below)})` : '') + (at.row === baseRow ? ' · baseline' : '');
      if (!isMetric || baseRow < 0 || at.row === baseRow) return column.text(at.row);
      const by = ((value(at.row) - value(baseRow)) / Math.abs(value(baseRow))) * 100;
      return Number.isFinite(by) ? `${column.text(at.row)} ${by > 0 ? '+' : by < 0 ? '−' : '±'}${format.number(Math.abs(by), 2)}%` : column.text(at.row);
    };
    const look = (/** @type {number} */ i) => {
      const at = rows[i];
      if (at.group) return 'of-group';
      const now = value(at.row);
      if (now === bestOf(data.columns.get(name), direction)) return 'best';
      const change = baseRow >= 0 && direction !== 'none' ? (now - value(baseRow)) * (direction === 'min' ? -1 : 1) : 0;
      return change > 0 ? 'better' : change < 0 ? 'worse' : '';
    };
    const { mark } = column;
    return {
      ...column,
      get number() {
        return column.number;
      },
      width: widths[name] ?? wide,
      text,
      look: isMetric ? look : undefined,
      mark: mark && ((/** @type {number} */ i) => (rows[i].group ? '' : mark(rows[i].row))),
    };
  }
}
