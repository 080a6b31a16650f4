/** A list of things as a table: found by a word, sorted by a header, drawn a hundred at a time. */
import { html, useState } from '../vendor/preact.js';
import { count } from './format.js';
import { route, setQuery } from './route.js';
import { announce } from './state.js';

const MOST = 120;

/**
 * @typedef {object} Column
 * @property {string} name      What it is called in the address.
 * @property {string} title
 * @property {(row: any) => any} cell
 * @property {(row: any) => string | number | null | undefined} [value]  What it is sorted by; without it, it is not.
 * @property {boolean} [number]
 */

/** Order by the address: `name` or `name DESC`. @param {any[]} rows @param {Column[]} columns @param {string} order */
export function sorted(rows, columns, order) {
  const [, name, down] = /^(.*?)( DESC)?$/.exec(order) ?? [];
  const value = columns.find(column => column.name === name)?.value;
  if (!value) return rows;
  const sign = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a) ?? null, value(b) ?? null];
    // What is missing is last either way.
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return (typeof x === 'string' && typeof y === 'string' ? x.localeCompare(y, undefined, { numeric: true }) : x < y ? -1 : x > y ? 1 : 0) * sign;
  });
}

/** @param {{ label: string, columns: Column[], rows: any[], usual: string, keyOf: (row: any) => string, onOrder?: (order: string | null) => void }} props */
export function Listing({ label, columns, rows, usual, keyOf, onOrder }) {
  const [most, setMost] = useState(MOST);
  const order = route.value.query.get('order') ?? usual;
  const listed = onOrder ? rows : sorted(rows, columns, order);
  const sort = (/** @type {string} */ name) => {
    const next = order === name ? `${name} DESC` : name;
    (onOrder ?? ((/** @type {string | null} */ to) => setQuery({ order: to })))(next === usual ? null : next);
    announce(`sorted by ${next}`);
  };
  return html`<div class="scroll boxed" tabindex="0" role="region" aria-label=${label}><table class="list"><thead><tr>${columns.map(({ name, title, value, number }) => {
    const state = order === name ? 'ascending' : order === `${name} DESC` ? 'descending' : 'none';
    return value ? html`<th scope="col" class=${number ? 'number' : ''} aria-sort=${state}><button class="quiet" onClick=${() => sort(name)}>${title}</button></th>` : html`<th scope="col" class=${number ? 'number' : ''}>${title}</th>`;
  })}</tr></thead><tbody>
    ${listed.slice(0, most).map(row => html`<tr key=${keyOf(row)}>${columns.map(({ cell, number }, i) => (i === 0 ? html`<th scope="row" dir="auto">${cell(row)}</th>` : html`<td class=${number ? 'number nowrap' : ''}>${cell(row)}</td>`))}</tr>`)}
  </tbody></table></div>
  ${listed.length > most && html`<p class="dim">${count(most)} of ${count(listed.length)} are shown. <button class="quiet small" onClick=${() => setMost(most + MOST)}>more</button></p>`}`;
}

/** @param {{ label: string, placeholder?: string }} props The box whose text is `find` in the address. */
export function Find({ label, placeholder = 'find' }) {
  const text = route.value.query.get('find') ?? '';
  return html`<input class="find" type="search" data-filter placeholder=${placeholder} aria-label=${label} value=${text} onInput=${(/** @type {any} */ e) => setQuery({ find: e.target.value || null })} onKeyDown=${(/** @type {any} */ e) => {
    if (e.key !== 'Escape') return;
    if (text) setQuery({ find: null });
    else e.target.blur();
  }} />`;
}

/** @param {{ tags: Record<string, string> }} props */
export function TagList({ tags }) {
  const own = Object.entries(tags).filter(([key]) => !/^(mlflow|tracklet)\./.test(key));
  return html`<span class="tags">${own.slice(0, 3).map(([key, text]) => html`<span class="badge plain-badge" dir="auto" key=${key}>${cut(key)}${text && `: ${cut(text)}`}</span>`)}${own.length > 3 && html`<span class="dim small">${own.length - 3} more</span>`}</span>`;
}

/** @param {string} text */
const cut = text => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
