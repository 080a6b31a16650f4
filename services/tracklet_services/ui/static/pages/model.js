/** One logged model: what made it, what was measured of it, what is in it. */
import { html, useEffect } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { changes, listen } from '../lib/live.js';
import { DataSets, Measured, RunLink, Stage, versionHref } from '../lib/models.js';
import { Crumbs, Id, Pairs, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';
import { mayWrite, tryWrite } from '../lib/write.js';
import Artifacts from './artifacts.js';
import { Tags } from './edit.js';
import { ModelStatus } from './models.js';
import { Model } from './previews.js';

/** @param {{ id: string }} props */
export default function LoggedModel({ id }) {
  const { value, error, busy, again } = useAnswer(signal => get(`model/${encodeURIComponent(id)}`, [], signal), `${id} ${changes.value}`);
  useEffect(() => {
    if (value) listen(value.experiment.id);
  }, [value?.experiment.id]);
  if (error && !value) return html`<main id="main" class="page" tabindex="-1"><h1>This model cannot be shown</h1><${Trouble} error=${error} retry=${again} /></main>`;
  if (!value) return html`<main id="main" class="page" tabindex="-1">${busy && html`<${Waiting} />`}</main>`;
  const { experiment, name } = value;
  document.title = `${name} · tracklet`;
  const tab = route.value.query.get('tab') === 'files' ? 'files' : 'overview';
  const own = Object.entries(value.tags).filter(([key]) => /^(mlflow|tracklet)\./.test(key));
  const tags = Object.entries(value.tags).filter(([key]) => !/^(mlflow|tracklet)\./.test(key));
  const set = (/** @type {string} */ key, /** @type {string} */ text) => tryWrite(`logged-models/${encodeURIComponent(id)}/tags`, { tags: [{ key, value: text }] }, 'PATCH');
  return html`<main id="main" class="page" tabindex="-1">
    <${Crumbs} trail=${[['experiments', '#/'], [experiment.name, href(['experiments', experiment.id])], ['models', href(['experiments', experiment.id, 'models'])], [name]]} />
    <div class="title"><h1 dir="auto">${name}</h1><${ModelStatus} status=${value.status} />${value.message && html`<span class="reason">${value.message}</span>`}</div>
    <p class="facts"><${Id} text=${id} /><span>${format.time(value.created)}</span>${value.type && html`<span dir="auto">${value.type}</span>`}<a href=${href(['lineage'], { of: `model:${id}` })}>lineage</a><a href=${href(['experiments', experiment.id, 'traces'], { filter: `request_metadata.\`mlflow.modelId\` = '${id}'` })}>traces</a></p>
    <div class="tabs" role="tablist" aria-label="parts of the model">${['overview', 'files'].map(one => html`<button role="tab" id=${`tab-${one}`} aria-selected=${one === tab} aria-controls="part" onClick=${() => setQuery({ tab: one === 'overview' ? null : one, path: null }, false)}>${one}</button>`)}</div>
    <div role="tabpanel" id="part" aria-labelledby=${`tab-${tab}`}>
    ${tab === 'files' ? html`<${Artifacts} kind="models" owner=${id} />` : html`<div class="cards">
      <section class="card"><h2>Where it came from, what came of it</h2><table class="pairs"><tbody>
        <tr><th scope="row">run</th><td><${RunLink} run=${value.run} /></td></tr>
        ${value.others.length > 0 && html`<tr><th scope="row">other runs</th><td>${value.others.slice(0, 20).map((/** @type {any} */ run) => html`<div><${RunLink} run=${run} /></div>`)}${value.others.length > 20 && html`<span class="dim">20 of ${format.count(value.others.length)} are shown</span>`}</td></tr>`}
        <tr><th scope="row">versions</th><td>${value.versions.map((/** @type {any} */ one) => html`<div><a href=${versionHref(one.name, one.version)} dir="auto">${one.name} ${one.version}</a> ${one.stage !== 'None' && html`<${Stage} stage=${one.stage} />`}</div>`)}${!value.versions.length && html`<span class="dim">not registered: <code>tracklet.register_model("models:/${id}", "…")</code></span>`}</td></tr>
        <tr><th scope="row">location</th><td><${Id} text=${value.location} /></td></tr></tbody></table></section>
      <section class="card"><h2>Metrics <span class="dim">${value.metrics.length}</span></h2><${Measured} metrics=${value.metrics} /></section>
      <section class="card"><h2>Params <span class="dim">${Object.keys(value.params).length}</span></h2><${Pairs} label="params" rows=${Object.entries(value.params)} empty="No params were recorded of it." /></section>
      ${value.datasets.length > 0 && html`<section class="card"><h2>Data sets of its run</h2><${DataSets} datasets=${value.datasets} /></section>`}
      ${(tags.length > 0 || own.length > 0 || mayWrite(value)) && html`<section class="card"><h2>Tags <span class="dim">${tags.length}</span></h2><${Tags} of=${value} tags=${tags} onSet=${set} onDrop=${(/** @type {string} */ key) => tryWrite(`logged-models/${encodeURIComponent(id)}/tags/${encodeURIComponent(key)}`, {}, 'DELETE')} />
        ${own.length > 0 && html`<details><summary>${own.length} of the system</summary><${Pairs} label="tags of the system" rows=${own} empty="" /></details>`}</section>`}
      <section class="card full"><h2>Model</h2>${value.status === 'READY' ? html`<${Model} owner=${{ kind: 'models', owner: id }} path="MLmodel" />` : html`<p class="dim">Its files are not complete.</p>`}</section>
    </div>`}</div>
  </main>`;
}
