/** Numbers, times and sizes as people read them. */
import { preference } from './state.js';

/** Whether times are those of Greenwich, not of this browser. */
export const isUtc = () => preference('zone') === 'utc';

/** @param {number | string} value @param {number} [digits] */
export function number(value, digits = 5) {
  if (typeof value === 'string') return value === 'Infinity' ? '∞' : value === '-Infinity' ? '−∞' : value;
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return String(value).replace('-', '−');
  const text = size >= 1e-4 && size < 1e7 ? value.toPrecision(digits) : value.toExponential(digits - 2);
  return trim(text).replaceAll('-', '−').replace('e+', 'e');
}

/** Without the zeros at the end of its digits; those of a power of ten are none. @param {string} text */
function trim(text) {
  const [digits, power] = text.split('e');
  return (digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits) + (power === undefined ? '' : `e${power}`);
}

/** @param {number} value */
export const count = value => value.toLocaleString('en-US');

/** @param {number | null | undefined} ms */
export function age(ms) {
  if (ms == null || Number.isNaN(ms)) return '–';
  const seconds = Math.max(0, (Date.now() - ms) / 1000);
  if (seconds < 60) return 'now';
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  if (seconds < 86400 * 60) return `${Math.floor(seconds / 86400)} d`;
  return time(ms).slice(0, 10);
}

/** @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms == null || Number.isNaN(ms)) return '–';
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms < 9950 ? ms / 1000 : Math.round(ms / 1000);
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** @param {number | null | undefined} ms */
export function time(ms) {
  if (ms == null || Number.isNaN(ms)) return '–';
  const at = new Date(ms);
  if (Number.isNaN(at.getTime())) return String(ms);
  // Written as if in Greenwich, so that one form serves both.
  const here = isUtc() ? at : new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return Number.isNaN(here.getTime()) ? String(ms) : here.toISOString().slice(0, 19).replace('T', ' ') + (isUtc() ? ' UTC' : '');
}

/** @param {number | null | undefined} size */
export function bytes(size) {
  if (size == null) return '–';
  if (size < 1000) return `${size} B`;
  let value = size;
  for (const unit of ['kB', 'MB', 'GB', 'TB']) {
    value /= 1000;
    if (value < 1000 || unit === 'TB') return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return '';
}

const STATUS = /** @type {Record<string, string>} */ ({
  FINISHED: 'done', RUNNING: 'running', FAILED: 'failed', KILLED: 'killed', SCHEDULED: 'scheduled',
});

/** @param {string} name */
export const status = name => STATUS[name] ?? name.toLowerCase();

/** The number of a run's colour: the same wherever it is shown. @param {string} id */
export function hue(id) {
  let hash = 2166136261;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 16777619);
  return (hash >>> 0) % 12;
}

/** The colours of runs, told apart in light and dark. */
export const COLOURS = [
  '#4c6ef5', '#f08c00', '#2b9a5b', '#e64980', '#7950f2', '#0c8599',
  '#c2410c', '#5c940d', '#be4bdb', '#1c7ed6', '#a9762b', '#d6336c',
];

/** @param {string} id */
export const colour = id => COLOURS[hue(id)];
