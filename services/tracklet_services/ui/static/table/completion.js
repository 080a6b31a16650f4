/** What may come next in a filter: keys, operators, values, and how many runs have them. */
import { isOwn } from './columns.js';

const KINDS = /** @type {Record<string, string>} */ ({ metric: 'metrics', param: 'params', tag: 'tags' });
const ATTRIBUTES = ['status', 'run_name', 'start_time', 'end_time', 'user_id', 'run_id'];
const STATES = ['FINISHED', 'RUNNING', 'FAILED', 'KILLED', 'SCHEDULED'];
const KEY = String.raw`(metric|param|tag|attribute)s?\.(\`[^\`]*\`|"[^"]*"|[^\s=<>!'"\`()]+)`;
const VALUE = new RegExp(String.raw`${KEY}\s*(?:=|!=|LIKE|ILIKE)\s*'([^']*)$`, 'i');
const OPERATOR = new RegExp(String.raw`(?:^|[\s(])${KEY}\s+([=<>!A-Z]*)$`, 'i');
const MORE = /('|\d)\s+([a-z]*)$/i;
const WORD = /(?:^|[\s(])((?:(metric|param|tag|attribute)s?\.)?[`"]?([^\s`"=<>!'()]*))$/i;
const MOST = 12;

/** @typedef {{ text: string, label: string, note: string, from: number }} Suggestion `from` is where it begins in the text. */

/** @param {string} key */
const bare = key => key.replace(/^[`"]|[`"]$/g, '');

/** @param {string} key */
const spelt = key => (/^[\w/.-]+$/.test(key) ? key : key.includes('`') ? `"${key}"` : `\`${key}\``);

/** The column that a value is typed for, if one is. @param {string} before The text up to the caret. */
export function columnAt(before) {
  const at = VALUE.exec(before);
  return at && at[1].toLowerCase() !== 'attribute' && at[1].toLowerCase() !== 'metric' ? `${at[1].toLowerCase()}.${bare(at[2])}` : null;
}

/** The values of a column by how many runs have them. @param {any} column @returns {[string, number][]} */
export function countsOf(column) {
  const counts = new Map();
  for (const code of column.values) if (code) counts.set(code, (counts.get(code) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]).map(([code, count]) => [column.texts[code - 1], count]);
}

/**
 * @param {string} before The text up to the caret. @param {import('./columns.js').Use[]} uses @param {any} column The one of `columnAt`, if it is here.
 * @returns {Suggestion[]}
 */
export function suggestions(before, uses, column) {
  const value = VALUE.exec(before);
  if (value) {
    const typed = value[3].toLowerCase();
    const from = before.length - value[3].length;
    const name = columnAt(before);
    const known = name === null ? (bare(value[2]) === 'status' ? STATES.map(one => /** @type {[string, number]} */ ([one, 0])) : []) : countsOf(column ?? { values: [] });
    return known.filter(([text]) => text.toLowerCase().includes(typed) && !text.includes("'")).slice(0, MOST).map(([text, count]) => ({ text: `${text}' `, label: text, note: count ? String(count) : '', from }));
  }
  const operator = OPERATOR.exec(before);
  if (operator) {
    const numeric = operator[1].toLowerCase() === 'metric' || /_time$/.test(operator[2]);
    const typed = operator[3].toUpperCase();
    return (numeric ? ['> ', '< ', '= ', '>= ', '<= ', '!= '] : ["= '", "!= '", "LIKE '", "ILIKE '"]).filter(one => one.startsWith(typed) && one.trim() !== typed).map(one => ({ text: one, label: one, note: '', from: before.length - typed.length }));
  }
  const more = MORE.exec(before);
  if (more) return 'and '.startsWith(more[2].toLowerCase()) ? [{ text: 'and ', label: 'and', note: '', from: before.length - more[2].length }] : [];
  const word = WORD.exec(before);
  if (!word || !word[1]) return [];
  const typed = word[3].toLowerCase();
  const from = before.length - word[1].length;
  const kind = word[2]?.toLowerCase();
  const keys = uses
    .filter(([of, key]) => (!kind || of === kind) && (kind || !isOwn(key)) && (key.toLowerCase().includes(typed) || (!kind && KINDS[of].startsWith(typed))))
    .sort((a, b) => Number(b[1].toLowerCase().startsWith(typed)) - Number(a[1].toLowerCase().startsWith(typed)) || b[2] - a[2])
    .map(([of, key, runs]) => ({ text: `${KINDS[of]}.${spelt(key)} `, label: `${KINDS[of]}.${key}`, note: `${runs} runs`, from }));
  const attributes = (!kind || kind === 'attribute' ? ATTRIBUTES : []).filter(one => one.includes(typed) || (!kind && 'attributes'.startsWith(typed))).map(one => ({ text: `attributes.${one} `, label: `attributes.${one}`, note: '', from }));
  const found = [...keys, ...attributes].slice(0, MOST);
  // A bare word is a name as long as it is only that.
  return found.length === 1 && found[0].text.trim() === word[1] ? [] : found;
}
