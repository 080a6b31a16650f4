/** All experiments. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { changes, listen } from '../lib/live.js';
import { go, href, route, setQuery } from '../lib/route.js';
import { place, say } from '../lib/state.js';
import { mayDelete, mayWrite, tryWrite } from '../lib/write.js';

const MOST = 500;

/** @type {Record<string, (a: any, b: any) => number>} */
const ORDERS = {
  name: (a, b) => a.name.localeCompare(b.name),
  runs: (a, b) => b.runs - a.runs,
  activity: (a, b) => (b.last ?? b.created ?? 0) - (a.last ?? a.created ?? 0),
};

function Empty() {
  return html`<section class="empty">
    <h2>Nothing is recorded here yet</h2>
    <p>This page looks at <code>${place.value?.place}</code>. Three lines record a run:</p>
    <pre>import tracklet

tracklet.autolog()
model.fit(X, y)  # a run, with its params, metrics and model</pre>
    <p>An existing record is taken over by <code>tracklet import ./mlruns</code>.</p>
  </section>`;
}

function Create() {
  const [name, setName] = useState(/** @type {string | null} */ (null));
  if (name === null) return html`<button onClick=${() => setName('')}>new experiment</button>`;
  return html`<form class="bar tag-form" onSubmit=${async (/** @type {any} */ event) => {
    event.preventDefault();
    if (name.trim() && (await tryWrite('experiments/create', { name: name.trim() }))) setName(null);
  }}><input aria-label="name of the experiment" placeholder="name" value=${name} onInput=${(/** @type {any} */ e) => setName(e.target.value)} onKeyDown=${(/** @type {any} */ e) => e.key === 'Escape' && setName(null)} /><button class="primary">create</button></form>`;
}

export default function Experiments() {
  const { query } = route.value;
  const view = query.get('view') === 'deleted' ? 'deleted_only' : 'active_only';
  const { value, error, busy, again } = useAnswer(signal => get('experiments', [['view', view]], signal), `${view} ${changes.value}`);
  useEffect(() => listen(''), []);
  const [picked, setPicked] = useState(/** @type {string[]} */ ([]));
  const find = query.get('find') ?? '';
  const order = query.get('order') ?? 'activity';
  const all = /** @type {any[]} */ (value?.experiments ?? []);
  const wanted = find.toLowerCase();
  const shown = all
    .filter(one => !wanted || one.name.toLowerCase().includes(wanted) || one.id === find)
    .sort(ORDERS[order] ?? ORDERS.activity);
  document.title = 'experiments · tracklet';
  const move = async () => {
    /** @type {string[]} */
    const moved = [];
    const [there, back] = view === 'deleted_only' ? ['restore', 'delete'] : ['delete', 'restore'];
    setPicked([]);
    for (const experiment_id of picked) if (await tryWrite(`experiments/${there}`, { experiment_id })) moved.push(experiment_id);
    if (!moved.length) return;
    say(moved.length < picked.length ? `${moved.length} of ${picked.length} moved` : `${moved.length} moved`, 'undo', async () => {
      for (const experiment_id of moved) await tryWrite(`experiments/${back}`, { experiment_id });
    });
  };
  const head = (/** @type {string} */ name, /** @type {string} */ title, numeric = false) => html`<th scope="col" class=${numeric ? 'number' : ''} aria-sort=${order === name ? (name === 'name' ? 'ascending' : 'descending') : 'none'}>
    <button class="quiet" onClick=${() => setQuery({ order: name === 'activity' ? null : name })}>${title}</button></th>`;
  return html`<main id="main" class="page" tabindex="-1">
    <div class="title"><h1>Experiments</h1><span class="count">${value ? (shown.length === all.length ? format.count(all.length) : `${format.count(shown.length)} of ${format.count(all.length)}`) : ''}</span></div>
    <div class="bar">
      <input type="search" data-filter placeholder="find by name" aria-label="find experiments by name" value=${find} onInput=${(/** @type {any} */ e) => setQuery({ find: e.target.value })} />
      <label class="check"><input type="checkbox" checked=${view === 'deleted_only'} onChange=${(/** @type {any} */ e) => setQuery({ view: e.target.checked ? 'deleted' : null })} />in the trash</label>
      <span class="grow"></span>
      ${picked.length > 0 && all.every(one => !picked.includes(one.id) || mayDelete(one)) && html`<button class="quiet" onClick=${move}>${view === 'deleted_only' ? 'restore' : 'to the trash'} ${picked.length}</button>`}
      ${mayWrite() && html`<${Create} />`}
      ${picked.length > 1 && html`<button class="primary" onClick=${() => go(href(['experiments', picked.join(',')]))}>open ${picked.length} as one table</button>`}
    </div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value && !shown.length && !find && (view === 'active_only' ? html`<${Empty} />` : html`<p class="dim">The trash holds no experiment.</p>`)}
    ${value && !shown.length && find && html`<p class="dim">No name of ${format.count(all.length)} contains “${find}”. <button class="quiet" onClick=${() => setQuery({ find: null })}>clear</button></p>`}
    ${shown.length > 0 && html`<div class="scroll"><table class="list">
      <thead><tr><th scope="col"><span class="sr-only">select</span></th>${head('name', 'Name')}${head('runs', 'Runs', true)}<th scope="col">State</th>${head('activity', 'Last activity')}<th scope="col">Note</th></tr></thead>
      <tbody>${shown.slice(0, MOST).map(one => html`<tr key=${one.id}>
        <td class="narrow"><input type="checkbox" aria-label=${`select ${one.name}`} checked=${picked.includes(one.id)} onChange=${(/** @type {any} */ e) => setPicked(e.target.checked ? [...picked, one.id] : picked.filter(id => id !== one.id))} /></td>
        <th scope="row"><a href=${href(['experiments', one.id])} dir="auto">${one.name}</a><span class="dim small id-of">${one.id}</span></th>
        <td class="number">${format.count(one.runs)}</td>
        <td>${one.running > 0 && html`<span class="status" data-status="RUNNING">${one.running} running</span>`} ${one.failed > 0 && html`<span class="status" data-status="FAILED">${one.failed} failed</span>`}</td>
        <td class="nowrap">${format.age(one.last ?? one.created)}</td>
        <td class="note-line" dir="auto">${one.note.split('\n').find((/** @type {string} */ line) => line.trim()) ?? ''}</td>
      </tr>`)}</tbody></table></div>`}
    ${shown.length > MOST && html`<p class="dim">${MOST} of ${format.count(shown.length)} are shown: find the others by name.</p>`}
  </main>`;
}
