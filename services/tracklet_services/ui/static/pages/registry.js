/** All registered models. */
import { html, useEffect } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Find, Listing, TagList } from '../lib/listing.js';
import { changes, listen } from '../lib/live.js';
import { Aliases, versionHref } from '../lib/models.js';
import { Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';

/** @type {import('../lib/listing.js').Column[]} */
const COLUMNS = [
  { name: 'name', title: 'Name', value: one => one.name, cell: one => html`<a href=${href(['models', one.name])}>${one.name}</a>` },
  { name: 'newest', title: 'Newest version', value: one => (one.newest ? Number(one.newest) : null), cell: one => (one.newest ? html`<a href=${versionHref(one.name, one.newest)}>${one.newest}</a>` : html`<span class="dim">none</span>`) },
  { name: 'aliases', title: 'Aliases', cell: one => html`<${Aliases} name=${one.name} aliases=${Object.entries(one.aliases)} />` },
  { name: 'updated', title: 'Changed', value: one => one.updated, cell: one => html`<span class="nowrap">${format.age(one.updated)}</span>` },
  { name: 'tags', title: 'Tags', cell: one => html`<${TagList} tags=${one.tags} />` },
  { name: 'description', title: 'Description', cell: one => html`<div class="note-line" dir="auto">${one.description.split('\n').find((/** @type {string} */ line) => line.trim()) ?? ''}</div>` },
];

export default function Registry() {
  const { value, error, busy, again } = useAnswer(signal => get('registry', [], signal), `registry ${changes.value}`);
  useEffect(() => listen(''), []);
  const find = (route.value.query.get('find') ?? '').toLowerCase();
  const all = /** @type {any[]} */ (value?.models ?? []);
  const shown = find ? all.filter(one => `${one.name}\n${one.description}\n${JSON.stringify(one.tags)}\n${Object.keys(one.aliases).join('\n')}`.toLowerCase().includes(find)) : all;
  document.title = 'models · tracklet';
  return html`<main id="main" class="page" tabindex="-1">
    <div class="title"><h1>Registered models</h1><span class="count">${value ? (shown.length === all.length ? format.count(all.length) : `${format.count(shown.length)} of ${format.count(all.length)}`) : ''}</span></div>
    <div class="bar"><${Find} label="find models" placeholder="find by name, alias, tag or description" /></div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value && !all.length && html`<section class="empty"><h2>No model is registered yet</h2>
      <p>A registered model is a name under which versions of a model are kept. One line makes the first version:</p>
      <pre>tracklet.register_model("models:/m-…", "churn")</pre>
      <p>Models that runs logged are listed with their experiment.</p></section>`}
    ${all.length > 0 && !shown.length && html`<p class="dim">Nothing of ${format.count(all.length)} models contains “${find}”. <button class="quiet" onClick=${() => setQuery({ find: null })}>clear</button></p>`}
    ${shown.length > 0 && html`<${Listing} label="registered models" columns=${COLUMNS} rows=${shown} usual="name" keyOf=${(/** @type {any} */ one) => one.name} />`}
  </main>`;
}
