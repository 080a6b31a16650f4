/** One run: what it was, what it measured, what it left. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { get, fileUrl } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Crumbs, Id, Later, Pairs, Status, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { changes, listen } from '../lib/live.js';
import { href, route, setQuery } from '../lib/route.js';
import { mayDelete, trash, tryWrite } from '../lib/write.js';
import { Name, Note, Tags } from './edit.js';

const NOTE = 'mlflow.note.content';
const TABS = /** @type {const} */ (['overview', 'charts', 'system', 'artifacts', 'logs', 'code']);
const TITLES = /** @type {Record<string, string>} */ ({ code: 'code and environment' });

/** @type {Record<string, () => Promise<any>>} */
const PARTS = {
  artifacts: () => import('./artifacts.js'),
  charts: () => import('./charts.js'),
  code: () => import('./code.js'),
  logs: () => import('./logs.js'),
};

/** Whether a metric is of the machine. @param {string} key */
const isSystem = key => key.startsWith('system/');

/** @param {{ id: string }} props */
export default function Run({ id }) {
  const { value: run, error, busy, again } = useAnswer(signal => get(`run/${encodeURIComponent(id)}`, [], signal), `${id} ${changes.value}`);
  useEffect(() => {
    if (run) listen(run.experiment.id);
  }, [run?.experiment.id]);
  const asked = route.value.query.get('tab') ?? 'overview';
  const tab = /** @type {readonly string[]} */ (TABS).includes(asked) ? asked : 'overview';
  if (error && !run) return html`<main id="main" class="page" tabindex="-1"><h1>This run cannot be shown</h1><${Trouble} error=${error} retry=${again} /></main>`;
  if (!run) return html`<main id="main" class="page" tabindex="-1">${busy && html`<${Waiting} />`}</main>`;
  const { info, experiment, tags } = run;
  const name = info.run_name || id.slice(0, 8);
  document.title = `${name} · tracklet`;
  const keys = /** @type {string[]} */ (run.metrics.map((/** @type {any} */ m) => m[0]));
  const counts = /** @type {Record<string, number>} */ ({ charts: keys.filter(key => !isSystem(key)).length, system: keys.filter(isSystem).length });
  const end = info.end_time ?? (info.status === 'RUNNING' ? Date.now() : null);
  return html`<main id="main" class="page" tabindex="-1">
    <${Crumbs} trail=${[['experiments', '#/'], [experiment.name, href(['experiments', experiment.id])], [name]]} />
    <div class="title">
      <span class="dot large" style=${{ background: format.colour(id) }}></span>
      <${Name} name=${name} label="name of the run" of=${run} onSave=${(/** @type {string} */ run_name) => tryWrite('runs/update', { run_id: id, run_name })} /><${Status} name=${info.status} />
      ${info.lifecycle_stage === 'deleted' && html`<span class="badge">in the trash</span>`}
      <span class="grow"></span>
      ${mayDelete(run) && (info.lifecycle_stage === 'deleted' ? html`<button onClick=${() => tryWrite('runs/restore', { run_id: id })}>restore</button>` : html`<button class="quiet" onClick=${() => trash([id])}>move to the trash</button>`)}
    </div>
    <p class="facts">
      <${Id} text=${id} />
      <span>${format.time(info.start_time)}</span>
      <span>${end && info.start_time ? format.duration(end - info.start_time) : '–'}</span>
      ${info.user_id && html`<span dir="auto">${info.user_id}</span>`}
      ${tags['mlflow.source.name'] && html`<span class="source" dir="auto">${tags['mlflow.source.name']}</span>`}
      <a href=${href(['lineage'], { of: `run:${id}` })}>lineage</a>
      <a href=${href(['experiments', experiment.id, 'traces'], { run: id })}>traces</a>
    </p>
    ${tags['tracklet.end_reason'] && html`<p class="reason">${tags['tracklet.end_reason']}</p>`}
    <div class="tabs" role="tablist" aria-label="parts of the run" onKeyDown=${(/** @type {any} */ e) => {
      const step = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
      if (!step) return;
      const next = TABS[(TABS.indexOf(/** @type {any} */ (tab)) + step + TABS.length) % TABS.length];
      setQuery({ tab: next === 'overview' ? null : next, path: null });
      e.currentTarget.children[TABS.indexOf(next)].focus();
    }}>${TABS.map(one => html`<button role="tab" id=${`tab-${one}`} aria-selected=${one === tab} tabindex=${one === tab ? 0 : -1} aria-controls="part" onClick=${() => setQuery({ tab: one === 'overview' ? null : one, path: null }, false)}>${TITLES[one] ?? one}${counts[one] ? html` <span class="dim">${counts[one]}</span>` : ''}</button>`)}</div>
    <div role="tabpanel" id="part" aria-labelledby=${`tab-${tab}`}>
      ${tab === 'overview' && html`<${Overview} run=${run} />`}
      ${tab === 'charts' && html`<${Later} key="charts" load=${PARTS.charts} props=${{ runs: [{ id, name }], keys: keys.filter(key => !isSystem(key)) }} />`}
      ${tab === 'system' && (counts.system ? html`<${Later} key="charts" load=${PARTS.charts} props=${{ runs: [{ id, name }], keys: keys.filter(isSystem), usual: 'wall' }} />` : html`<p class="dim">No metrics of the machine were recorded. Ask for them with <code>tracklet.enable_system_metrics_logging()</code>.</p>`)}
      ${tab === 'artifacts' && html`<${Later} key="artifacts" load=${PARTS.artifacts} props=${{ kind: 'runs', owner: id }} />`}
      ${tab === 'logs' && html`<${Later} key="logs" load=${PARTS.logs} props=${{ run }} />`}
      ${tab === 'code' && html`<${Later} key="code" load=${PARTS.code} props=${{ run }} />`}
    </div>
  </main>`;
}

/** @param {{ run: any }} props */
function Overview({ run }) {
  const { info, params, metrics, tags, datasets, models, parent, children } = run;
  const shown = Object.entries(tags).filter(([key]) => !key.startsWith('mlflow.') && !key.startsWith('tracklet.'));
  const own = Object.entries(tags).filter(([key]) => (key.startsWith('mlflow.') || key.startsWith('tracklet.')) && key !== NOTE);
  return html`<div class="cards">
    <${Note} key=${info.run_id} of=${run} note=${tags[NOTE] ?? ''} latest=${async () => (await get(`run/${info.run_id}`)).tags[NOTE] ?? ''} onSave=${(/** @type {string} */ value) => tryWrite('runs/set-tag', { run_id: info.run_id, key: NOTE, value })} image=${(/** @type {string} */ path) => (/^[a-z]+:|^\/|^#|\.\.(\/|$)/i.test(path) ? null : fileUrl('runs', info.run_id, safeDecode(path)))} />
    <section class="card"><h2>Metrics <span class="dim">${metrics.length}</span></h2><${Metrics} metrics=${metrics} /></section>
    <section class="card"><h2>Params <span class="dim">${Object.keys(params).length}</span></h2>
      <${Pairs} label="params" rows=${Object.entries(params)} empty="No params were recorded." /></section>
    <section class="card"><h2>Tags <span class="dim">${shown.length}</span></h2><${Tags} of=${run} tags=${shown} onSet=${(/** @type {string} */ key, /** @type {string} */ value) => tryWrite('runs/set-tag', { run_id: info.run_id, key, value })} onDrop=${(/** @type {string} */ key) => tryWrite('runs/delete-tag', { run_id: info.run_id, key })} />
      <details><summary>${own.length} of the system</summary><${Pairs} label="tags of the system" rows=${own} empty="" /></details></section>
    ${(parent || children.length > 0) && html`<${Family} run=${run} />`}
    ${datasets.length > 0 && html`<section class="card"><h2>Data sets</h2>${datasets.map((/** @type {any} */ one) => html`<${DataSet} data=${one} />`)}</section>`}
    ${models.length > 0 && html`<section class="card"><h2>Models</h2><ul class="plain">${models.map((/** @type {any} */ one) => html`<li><a href=${href(['experiments', info.experiment_id, 'models', one.id])} dir="auto">${one.name}</a> <span class="dim">${one.type ?? ''} · step ${one.step}</span><br /><${Id} text=${one.id} /></li>`)}</ul></section>`}
    <section class="card"><h2>Read it</h2>
      <p class="dim small">Python</p><pre class="code">${`import tracklet\n\nrun = tracklet.get_run("${info.run_id}")`}</pre>
      <p class="dim small">Command line</p><pre class="code">${`tracklet runs show ${info.run_id.slice(0, 8)}`}</pre>
      <p class="dim small">Artifacts</p><p><${Id} text=${info.artifact_uri} /></p>
    </section>
  </div>`;
}

/** @param {{ run: any }} props */
function Family({ run: { info, parent, children } }) {
  const [find, setFind] = useState('');
  const shown = children.filter((/** @type {any[]} */ [id, name]) => `${name}\n${id}`.toLowerCase().includes(find.toLowerCase()));
  const link = (/** @type {any[]} */ [id, name, status, experiment]) => html`<a href=${href(['experiments', experiment ?? info.experiment_id, 'runs', id])} dir="auto">${name || id.slice(0, 8)}</a> ${status && html`<${Status} name=${status} />`}`;
  const count = (/** @type {string} */ state) => children.filter((/** @type {any[]} */ one) => one[2] === state).length;
  const states = ['FINISHED', 'RUNNING', 'FAILED', 'KILLED'].filter(count).map(state => `${format.count(count(state))} ${format.status(state)}`);
  return html`<section class="card"><h2>Family</h2>
    ${parent && html`<p>Child of ${link(parent)}</p>`}
    ${children.length > 0 && html`<p class="dim">${format.count(children.length)} ${children.length === 1 ? 'child' : 'children'}: ${states.join(', ')}. <a href=${href(['experiments', info.experiment_id], { filter: `tags.\`mlflow.parentRunId\` = '${info.run_id}'` })}>as a table</a></p>
      ${children.length > 8 && html`<input type="search" placeholder="find" aria-label="find in children" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />`}
      <ul class="plain">${shown.slice(0, 200).map((/** @type {any} */ one) => html`<li key=${one[0]}>${link(one)}</li>`)}</ul>${shown.length > 200 && html`<p class="dim">200 of ${format.count(shown.length)} are shown: find the others.</p>`}`}
  </section>`;
}

/** @param {string} text */
function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @param {{ metrics: any[] }} props */
function Metrics({ metrics }) {
  const [find, setFind] = useState('');
  const shown = metrics.filter(([key]) => key.toLowerCase().includes(find.toLowerCase()));
  if (!metrics.length) return html`<p class="dim">No metrics were recorded.</p>`;
  return html`${metrics.length > 8 && html`<input type="search" placeholder="find" aria-label="find in metrics" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />`}
    <table class="pairs"><thead class="sr-only"><tr><th>metric</th><th>last value</th><th>step</th></tr></thead><tbody>
    ${shown.slice(0, 500).map(([key, value, step]) => html`<tr key=${key}><th scope="row">${key}</th><td class="number" title=${String(value)}>${format.number(value, 7)}</td><td class="number dim">${step ? `step ${format.count(step)}` : ''}</td></tr>`)}
    </tbody></table>${shown.length > 500 && html`<p class="dim">500 of ${format.count(shown.length)} are shown: find the others.</p>`}`;
}

/** @param {{ data: any }} props */
function DataSet({ data }) {
  const context = data.tags['mlflow.data.context'];
  return html`<div class="dataset"><p><strong dir="auto">${data.name}</strong> ${context && html`<span class="badge">${context}</span>`}<br /><span class="dim small">${data.source_type} · digest <code>${data.digest}</code></span></p>
    ${data.profile && data.profile !== '{}' && html`<p class="dim small">${data.profile.slice(0, 400)}</p>`}
    ${data.schema && html`<details><summary>schema</summary><pre class="code">${pretty(data.schema)}</pre></details>`}</div>`;
}

/** @param {string} text */
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
