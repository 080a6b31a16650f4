/** One registered model: what it is, and its versions. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Listing } from '../lib/listing.js';
import { changes, listen } from '../lib/live.js';
import { Aliases, RunLink, Stage, versionHref } from '../lib/models.js';
import { Crumbs, Later, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { go, href } from '../lib/route.js';
import { say } from '../lib/state.js';
import { mayDelete, mayWrite, tryWrite } from '../lib/write.js';
import { Name, Note, Tags } from './edit.js';

const overVersions = () => import('./versions.js');

/** @param {string} name @returns {import('../lib/listing.js').Column[]} */
const columnsOf = name => [
  { name: 'version', title: 'Version', value: one => Number(one.version), cell: one => html`<a href=${versionHref(name, one.version)}>Version ${one.version}</a>` },
  { name: 'aliases', title: 'Aliases', cell: one => html`<span class="tags">${one.aliases.map((/** @type {string} */ alias) => html`<span class="badge" dir="auto">@${alias}</span>`)}</span>` },
  { name: 'stage', title: 'Stage', value: one => one.stage, cell: one => html`<${Stage} stage=${one.stage} />` },
  { name: 'created', title: 'Made', value: one => one.created, cell: one => html`<span class="nowrap">${format.age(one.created)}</span>` },
  { name: 'run', title: 'Run', cell: one => html`<${RunLink} run=${one.run} />` },
  { name: 'line', title: 'Description', cell: one => html`<div class="note-line" dir="auto">${one.status === 'READY' ? '' : html`<span class="reason">${one.status.toLowerCase()} </span>`}${one.line}</div>` },
];

/** Asks for a name before something is deleted for good. @param {{ word: string, name: string, onDelete: () => void }} props */
export function Delete({ word, name, onDelete }) {
  const [typed, setTyped] = useState(/** @type {string | null} */ (null));
  if (typed === null) return html`<button class="quiet danger" onClick=${() => setTyped('')}>delete the ${word}</button>`;
  return html`<form class="card full danger-zone" onSubmit=${(/** @type {any} */ e) => {
    e.preventDefault();
    if (typed === name) onDelete();
  }}><p>There is no way back: type <code>${name}</code> to delete the ${word} for good. What it was made of stays.</p>
    <p class="bar"><input ref=${(/** @type {any} */ box) => box?.focus()} aria-label=${`name of the ${word}, to delete it`} value=${typed} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} onKeyDown=${(/** @type {any} */ e) => e.key === 'Escape' && setTyped(null)} />
    <button disabled=${typed !== name}>delete for good</button><button type="button" onClick=${() => setTyped(null)}>cancel</button></p></form>`;
}

/** @param {{ name: string }} props */
export default function Registered({ name }) {
  const asked = /** @type {[string, string][]} */ ([['name', name]]);
  const { value, error, busy, again } = useAnswer(signal => get('registered', asked, signal), `${name} ${changes.value}`);
  useEffect(() => listen(''), []);
  document.title = `${name} · tracklet`;
  if (error && !value) return html`<main id="main" class="page" tabindex="-1"><h1>This model cannot be shown</h1><${Trouble} error=${error} retry=${again} /><p><a href="#/models">All models</a></p></main>`;
  if (!value) return html`<main id="main" class="page" tabindex="-1">${busy && html`<${Waiting} />`}</main>`;
  const rename = async (/** @type {string} */ new_name) => {
    if (!(await tryWrite('registered-models/rename', { name, new_name }))) return false;
    go(href(['models', new_name]), true);
    say(`${name} is now ${new_name}.`, 'undo', async () => {
      if (await tryWrite('registered-models/rename', { name: new_name, new_name: name })) go(href(['models', name]), true);
    });
    return true;
  };
  const remove = async () => {
    if (await tryWrite('registered-models/delete', { name }, 'DELETE')) {
      go('#/models');
      say(`${name} is deleted.`);
    }
  };
  const describe = async (/** @type {string} */ description) => {
    const before = value.description;
    if (!(await tryWrite('registered-models/update', { name, description }, 'PATCH'))) return false;
    say('The description is saved.', 'undo', () => tryWrite('registered-models/update', { name, description: before }, 'PATCH'));
    return true;
  };
  return html`<main id="main" class="page" tabindex="-1">
    <${Crumbs} trail=${[['models', '#/models'], [name]]} />
    <div class="title"><${Name} name=${name} label="name of the model" of=${value} onSave=${rename} />
      <span class="grow"></span>${mayDelete(value) && html`<${Delete} word="model" name=${name} onDelete=${remove} />`}</div>
    <p class="facts"><span>${format.count(value.versions.length)} ${value.versions.length === 1 ? 'version' : 'versions'}</span><span>changed ${format.time(value.updated)}</span><span>made ${format.time(value.created)}</span>
      <${Aliases} name=${name} aliases=${Object.entries(value.aliases)} /></p>
    <div class="cards">
      <${Note} key=${name} word="description" of=${value} note=${value.description} latest=${async () => (await get('registered', asked)).description} onSave=${describe} image=${() => null} />
      <section class="card"><h2>Tags <span class="dim">${Object.keys(value.tags).length}</span></h2><${Tags} of=${value} tags=${Object.entries(value.tags)} onSet=${(/** @type {string} */ key, /** @type {string} */ text) => tryWrite('registered-models/set-tag', { name, key, value: text })} onDrop=${(/** @type {string} */ key) => tryWrite('registered-models/delete-tag', { name, key }, 'DELETE')} /></section>
      <section class="card"><h2>Load it</h2><pre class="code">${snippet(name, value)}</pre>${!mayWrite(value) && html`<p class="dim small">You may look at this model, and not change it.</p>`}</section>
    </div>
    <h2>Versions</h2>
    ${value.versions.length ? html`<${Listing} label="versions" columns=${columnsOf(name)} rows=${value.versions} usual="version DESC" keyOf=${(/** @type {any} */ one) => one.version} />` : html`<p class="dim">It has no version yet: <code>tracklet.register_model("models:/m-…", ${JSON.stringify(name)})</code></p>`}
    ${value.versions.length > 0 && html`<h2>Metrics over versions</h2><${Later} load=${overVersions} props=${{ name }} />`}
  </main>`;
}

/** @param {string} name @param {any} value */
function snippet(name, value) {
  const alias = Object.keys(value.aliases)[0];
  const uri = alias ? `models:/${name}@${alias}` : `models:/${name}/${value.newest ?? 1}`;
  return `import tracklet\n\nmodel = tracklet.pyfunc.load_model(${JSON.stringify(uri)})\nmodel.predict(data)`;
}
