/** The traces of an experiment, or of all: the latest first. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Listing, TagList } from '../lib/listing.js';
import { changes, listen } from '../lib/live.js';
import { Parts } from '../lib/models.js';
import { Crumbs, Trouble, useAnswer, useTyped, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';

const SPANS = /** @type {Record<string, [string, number]>} */ ({ h: ['last hour', 3600], d: ['last day', 86400], w: ['last week', 7 * 86400], m: ['last 30 days', 30 * 86400] });
const STATES = /** @type {[string, string][]} */ ([['OK', 'ok'], ['ERROR', 'failed'], ['IN_PROGRESS', 'running']]);
const LOOKS = /** @type {Record<string, string>} */ ({ OK: 'FINISHED', ERROR: 'FAILED', IN_PROGRESS: 'RUNNING' });

/** @param {{ state: string }} props */
export const TraceState = ({ state }) => html`<span class="status" data-status=${LOOKS[state] ?? ''}>${STATES.find(one => one[0] === state)?.[1] ?? 'unknown'}</span>`;

/** @param {any} one */
const link = one => href(['experiments', one.experiment_id ?? '0', 'traces', one.id]);

/** @type {import('../lib/listing.js').Column[]} */
const COLUMNS = [
  { name: 'name', title: 'Name', value: one => one.name, cell: one => html`<a href=${link(one)}>${one.name || one.id}</a>` },
  { name: 'status', title: 'State', value: one => one.state, cell: one => html`<${TraceState} state=${one.state} />` },
  { name: 'timestamp_ms', title: 'When', value: one => one.at, cell: one => html`<span class="nowrap">${format.time(one.at)}</span>` },
  { name: 'execution_time_ms', title: 'Took', number: true, value: one => one.took, cell: one => format.duration(one.took) },
  { name: 'tokens', title: 'Tokens', number: true, cell: one => (one.tokens == null ? '–' : format.count(one.tokens)) },
  { name: 'request', title: 'Request', cell: one => html`<div class="preview-cell" dir="auto">${one.request}</div>` },
  { name: 'response', title: 'Response', cell: one => html`<div class="preview-cell" dir="auto">${one.response}</div>` },
  { name: 'tags', title: 'Tags', cell: one => html`<${TagList} tags=${one.tags} />` },
];

/** What is chosen and typed, as a filter of traces. @param {URLSearchParams} query */
function filterOf(query) {
  const parts = [];
  const state = query.get('state');
  const span = SPANS[query.get('within') ?? ''];
  const typed = (query.get('filter') ?? '').trim();
  if (STATES.some(one => one[0] === state)) parts.push(`attributes.status = '${state}'`);
  if (span) parts.push(`attributes.timestamp_ms > ${Date.now() - span[1] * 1000}`);
  if (typed) parts.push(/^[\p{L}\p{N}_-]+$/u.test(typed) ? `attributes.name ILIKE '%${typed}%'` : typed);
  return parts.join(' AND ');
}

/** @param {{ ids: string[] }} props */
export default function Traces({ ids }) {
  const { query } = route.value;
  const of = ids.join(',');
  const text = query.get('filter') ?? '';
  const run = query.get('run') ?? '';
  const order = query.get('order') ?? 'timestamp_ms DESC';
  const [typed, setTyped, tell] = useTyped(text, filter => setQuery({ filter }));
  const [most, setMost] = useState(100);
  const about = useAnswer(signal => get('experiments', [['view', 'all']], signal), 'experiments');
  const key = [of, text, query.get('state'), query.get('within'), run, order, most, changes.value].join('\n');
  const { value, error, busy, again } = useAnswer(signal => get('traces', [['experiments', of], ['filter', filterOf(query)], ['order', `attributes.${order}`], ['most', String(most)], ...(run ? /** @type {[string, string][]} */ ([['run', run]]) : [])], signal), key);
  useEffect(() => listen(of), [of]);
  const known = (about.value?.experiments ?? []).find((/** @type {any} */ one) => one.id === of);
  const title = ids.length ? (known?.name ?? (ids.length > 1 ? `${ids.length} experiments` : of)) : 'Traces';
  document.title = `traces${ids.length ? ` of ${title}` : ''} · tracklet`;
  const traces = value?.traces ?? [];
  const narrowed = text || query.get('state') || query.get('within') || run;
  const choice = (/** @type {string} */ name, /** @type {string} */ label, /** @type {[string, string][]} */ options) => html`<select aria-label=${label} value=${query.get(name) ?? ''} onChange=${(/** @type {any} */ e) => setQuery({ [name]: e.target.value || null })}>${options.map(([one, word]) => html`<option value=${one}>${word}</option>`)}</select>`;
  const clear = () => setQuery({ filter: null, state: null, within: null, run: null });
  return html`<main id="main" class="page wide" tabindex="-1">
    ${ids.length > 0 && html`<${Crumbs} trail=${[['experiments', '#/'], [title, href(['experiments', of])], ['traces']]} />`}
    <div class="title"><h1 dir="auto">${title}</h1><span class="count">${value ? `${format.count(traces.length)}${value.next ? ' or more' : ''} ${traces.length === 1 && !value.next ? 'trace' : 'traces'}` : ''}</span></div>
    ${ids.length > 0 && html`<${Parts} ids=${ids} at="traces" />`}
    <div class="bar">
      <input class="filter" data-filter type="search" spellcheck=${false} autocomplete="off" placeholder="filter: tags.team = 'growth' and attributes.execution_time_ms > 500, or a name" aria-label="filter traces" aria-invalid=${!!error} value=${typed} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} onKeyDown=${(/** @type {any} */ e) => e.key === 'Escape' && (typed ? tell('') : e.target.blur())} />
      ${choice('state', 'state', [['', 'any state'], ...STATES])}
      ${choice('within', 'time', [['', 'any time'], .../** @type {[string, string][]} */ (Object.entries(SPANS).map(([one, [word]]) => [one, word]))])}
      ${run && html`<span class="badge">of run ${run.slice(0, 8)}<button class="in-badge" aria-label="traces of all runs" onClick=${() => setQuery({ run: null })}>×</button></span>`}
      <button class="quiet" onClick=${again}>look again</button>
    </div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value && !traces.length && !error && (narrowed ? html`<p class="dim none">Nothing matches. <button class="quiet" onClick=${clear}>clear the filter</button></p>` : html`<section class="empty"><h2>No trace is recorded here yet</h2><p>A trace is one request through a program, as a tree of spans. One line makes a function leave them:</p><pre>@tracklet.trace
def answer(question):
    ...</pre></section>`)}
    ${traces.length > 0 && html`<${Listing} label="traces" columns=${COLUMNS} rows=${traces} usual="timestamp_ms DESC" keyOf=${(/** @type {any} */ one) => one.id} onOrder=${(/** @type {string | null} */ to) => setQuery({ order: to })} />`}
    ${value?.next && html`<p class="dim">The first ${format.count(traces.length)} are shown. <button class="quiet small" disabled=${most >= 1000} onClick=${() => setMost(Math.min(1000, most * 3))}>${most >= 1000 ? 'filter to find the others' : 'more'}</button></p>`}
  </main>`;
}
