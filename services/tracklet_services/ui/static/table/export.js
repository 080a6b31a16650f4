/** What the table shows, as text for other programs. */
import * as format from '../lib/format.js';
import { term } from './columns.js';

/** A text that no spreadsheet takes for a formula. @param {string} text */
export const harmless = text => (/^[=+\-@\t\r]/.test(text) && !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? `'${text}` : text);

/** @param {string} text */
const csvCell = text => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/**
 * Rows of values as they were recorded: numbers of metrics, texts of all else.
 * @param {any} data @param {number[]} rows @param {string[]} names
 */
function values(data, rows, names) {
  // Beyond what a date holds, a time is told as it was recorded.
  const time = (/** @type {number} */ ms) => (Number.isNaN(ms) ? null : Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : ms);
  const fixed = rows.map(row => [data.ids[row], data.names[row], data.text('experiment', row), data.text('status', row), data.text('user', row), time(data.start[row]), time(data.end[row])]);
  const head = ['run_id', 'name', 'experiment_id', 'status', 'user', 'start', 'end', ...names.map(name => name.replace(/^(\w+)\./, '$1s.'))];
  const body = rows.map((row, i) => [
    ...fixed[i],
    ...names.map(name => {
      const column = data.columns.get(name);
      if (!column) return null;
      if (column.kind === 'text') return column.values[row] ? column.texts[column.values[row] - 1] : null;
      return Number.isNaN(column.values[row]) && !column.present?.[row] ? null : column.values[row];
    }),
  ]);
  return { head, body };
}

/** @param {any} v */
const plain = v => (v === null ? '' : typeof v === 'number' && Number.isNaN(v) ? 'NaN' : String(v));

/** @type {Record<string, (table: { head: string[], body: any[][] }) => string>} */
const WRITERS = {
  csv: ({ head, body }) => [head.map(harmless), ...body.map(row => row.map(v => (typeof v === 'number' ? plain(v) : harmless(plain(v)))))].map(row => row.map(csvCell).join(',')).join('\r\n') + '\r\n',
  json: ({ head, body }) => JSON.stringify(body.map(row => Object.fromEntries(row.map((v, i) => [head[i], typeof v === 'number' && !Number.isFinite(v) ? plain(v) : v]))), null, 1) + '\n',
  md: ({ head, body }) => [head, head.map(() => '---'), ...body.map(row => row.map(shown))].map(row => `| ${row.map(v => String(v).replace(/\|/g, '\\|').replace(/\s*\n\s*/g, ' ')).join(' | ')} |`).join('\n') + '\n',
  tex: ({ head, body }) => `\\begin{tabular}{${body[0]?.map(v => (typeof v === 'number' ? 'r' : 'l')).join('') ?? ''}}\n${[head, ...body.map(row => row.map(shown))].map(row => row.map(v => latex(String(v))).join(' & ') + ' \\\\').join('\n')}\n\\end{tabular}\n`,
};

/** @param {any} v */
const shown = v => (typeof v === 'number' ? format.number(v).replaceAll('−', '-') : plain(v));

/** @param {string} text */
const latex = text => text.replace(/[\\{}$&#_%^~]/g, c => (c === '\\' ? '\\textbackslash{}' : c === '^' || c === '~' ? `\\${c}{}` : `\\${c}`)).replace(/\s*\n\s*/g, ' ');

/** @param {string} kind @param {any} data @param {number[]} rows @param {string[]} names */
export async function written(kind, data, rows, names) {
  await data.whole(names);
  return WRITERS[kind](values(data, rows, names));
}

/** @param {string} name @param {string | Blob} made */
export function save(name, made) {
  const url = URL.createObjectURL(typeof made === 'string' ? new Blob([made], { type: 'text/plain;charset=utf-8' }) : made);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {{ ids: string[], filter: string, order: string[] }} asked */
function orders({ order }) {
  return order.map(one => term(one.replace(/ (ASC|DESC)$/, '')) + one.slice(one.lastIndexOf(' ')));
}

/** @param {{ ids: string[], filter: string, order: string[] }} asked */
export function python(asked) {
  const text = (/** @type {any} */ value) => JSON.stringify(value);
  const lines = [`    experiment_ids=${text(asked.ids)},`];
  if (asked.filter) lines.push(`    filter_string=${text(asked.filter)},`);
  if (asked.order.length) lines.push(`    order_by=${text(orders(asked))},`);
  return `import tracklet\n\nruns = tracklet.search_runs(\n${lines.join('\n')}\n)\n`;
}

/** @param {{ ids: string[], filter: string, order: string[] }} asked */
export function commandLine(asked) {
  const quoted = (/** @type {string} */ word) => `'${word.replaceAll("'", "'\\''")}'`;
  return ['tracklet runs list', ...asked.ids.map(id => `-e ${/^[\w-]+$/.test(id) ? id : quoted(id)}`), ...(asked.filter ? [`--filter ${quoted(asked.filter)}`] : []), ...orders(asked).map(one => `--order-by ${quoted(one)}`)].join(' ');
}
