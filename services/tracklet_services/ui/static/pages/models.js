/** The models that the runs of an experiment logged. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Listing } from '../lib/listing.js';
import { changes, listen } from '../lib/live.js';
import { Parts, RunLink } from '../lib/models.js';
import { Crumbs, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';

const MOST_COLUMNS = 8;

/** @param {any} model */
export const ModelStatus = ({ status }) => html`<span class="status" data-status=${{ READY: 'FINISHED', PENDING: 'RUNNING', FAILED: 'FAILED' }[/** @type {string} */ (status)] ?? ''}>${status.toLowerCase()}</span>`;

/** The keys that most of the models have. @param {any[]} models @param {(model: any) => string[]} keysOf */
function commonest(models, keysOf) {
  /** @type {Map<string, number>} */
  const uses = new Map();
  for (const model of models) for (const key of new Set(keysOf(model))) uses.set(key, (uses.get(key) ?? 0) + 1);
  return [...uses].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([key]) => key);
}

/** The last value under a key, on whichever data set. @param {any} model @param {string} key */
const last = (model, key) => model.metrics.filter((/** @type {any[]} */ one) => one[0] === key).at(-1)?.[1];

/** @param {any[]} models @returns {{ columns: import('../lib/listing.js').Column[], hidden: number }} */
function columnsOf(models) {
  const metrics = commonest(models, model => model.metrics.map((/** @type {any[]} */ one) => one[0]));
  const params = commonest(models, model => Object.keys(model.params));
  const shown = metrics.slice(0, MOST_COLUMNS);
  const others = params.slice(0, Math.max(2, MOST_COLUMNS - shown.length));
  return {
    hidden: metrics.length - shown.length + params.length - others.length,
    columns: [
      { name: 'name', title: 'Model', value: one => one.name, cell: one => html`<a href=${href(['experiments', one.experiment_id, 'models', one.id])}>${one.name}</a>` },
      { name: 'status', title: 'Status', value: one => one.status, cell: one => html`<${ModelStatus} status=${one.status} />` },
      { name: 'created', title: 'Made', value: one => one.created, cell: one => html`<span class="nowrap">${format.age(one.created)}</span>` },
      { name: 'type', title: 'Type', value: one => one.type, cell: one => html`<span dir="auto">${one.type ?? '–'}</span>` },
      { name: 'run', title: 'Run', cell: one => html`<${RunLink} run=${one.run} />` },
      ...shown.map(key => ({
        name: `metric.${key}`, title: key, number: true,
        value: (/** @type {any} */ one) => (typeof last(one, key) === 'number' ? last(one, key) : null),
        cell: (/** @type {any} */ one) => (last(one, key) === undefined ? '–' : format.number(last(one, key))),
      })),
      ...others.map(key => ({
        name: `param.${key}`, title: key,
        value: (/** @type {any} */ one) => one.params[key] ?? null,
        cell: (/** @type {any} */ one) => html`<div class="param-cell" dir="auto">${one.params[key]?.slice(0, 80) ?? '–'}</div>`,
      })),
    ],
  };
}

/** @param {{ ids: string[] }} props */
export default function Models({ ids }) {
  const of = ids.join(',');
  const text = route.value.query.get('filter') ?? '';
  const [typed, setTyped] = useState(text);
  const [most, setMost] = useState(100);
  const about = useAnswer(signal => get('experiments', [['view', 'all']], signal), 'experiments');
  const { value, error, busy, again } = useAnswer(signal => get('models', [['experiments', of], ['filter', asFilter(text)], ['most', String(most)]], signal), `${of} ${text} ${most} ${changes.value}`);
  useEffect(() => listen(of), [of]);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    const timer = setTimeout(() => typed !== text && setQuery({ filter: typed || null }), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  const known = (about.value?.experiments ?? []).find((/** @type {any} */ one) => one.id === of);
  const title = known?.name ?? (ids.length > 1 ? `${ids.length} experiments` : of);
  const models = value?.models ?? [];
  const { columns, hidden } = columnsOf(models);
  document.title = `models of ${title} · tracklet`;
  return html`<main id="main" class="page wide" tabindex="-1">
    <${Crumbs} trail=${[['experiments', '#/'], [title, href(['experiments', of])], ['models']]} />
    <div class="title"><h1 dir="auto">${title}</h1><span class="count">${value ? `${format.count(models.length)}${value.next ? ' or more' : ''} ${models.length === 1 && !value.next ? 'model' : 'models'}` : ''}</span></div>
    <${Parts} ids=${ids} at="models" />
    <div class="bar"><input class="filter" data-filter type="search" spellcheck=${false} autocomplete="off" placeholder="filter: metrics.auc > 0.8 and params.model = 'xgb', or a name" aria-label="filter models" aria-invalid=${!!error} value=${typed} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} onKeyDown=${(/** @type {any} */ e) => e.key === 'Escape' && (typed ? setQuery({ filter: null }) : e.target.blur())} /></div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value && !models.length && !error && (text ? html`<p class="dim none">Nothing matches. <button class="quiet" onClick=${() => setQuery({ filter: null })}>clear the filter</button></p>` : html`<section class="empty"><h2>No run here logged a model yet</h2><p>Autologging logs the model of each fit; by hand it is one line:</p><pre>tracklet.sklearn.log_model(model, name="churn")</pre></section>`)}
    ${models.length > 0 && html`<${Listing} label="models" columns=${columns} rows=${models} usual="created DESC" keyOf=${(/** @type {any} */ one) => one.id} />`}
    ${hidden > 0 && html`<p class="dim small">${format.count(hidden)} further metrics and params are on the models' own pages.</p>`}
    ${value?.next && html`<p class="dim">The newest ${format.count(models.length)} are shown, and sorted among themselves. <button class="quiet small" disabled=${most >= 1000} onClick=${() => setMost(Math.min(1000, most * 3))}>${most >= 1000 ? 'filter to find the others' : 'more'}</button></p>`}
  </main>`;
}

/** What a person types, as a filter: a bare word looks for a name. @param {string} text */
function asFilter(text) {
  const bare = text.trim();
  return /^[\p{L}\p{N}_-]+$/u.test(bare) ? `name ILIKE '%${bare}%'` : bare;
}
