/** Several runs side by side: rows are keys, columns are runs. */
import { html, useState } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Crumbs, Later, Status, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';

const charts = () => import('./charts.js');
const beside = () => import('./beside.js');
const MOST = 100;
const ROWS = 1000;

/** Digests by name and context: a run may use two data sets of one name. @param {any[]} datasets */
function digestsOf(datasets) {
  /** @type {Map<string, string>} */
  const made = new Map();
  for (const { name, digest, tags } of [...datasets].sort((a, b) => (a.digest < b.digest ? -1 : 1))) {
    const context = tags['mlflow.data.context'];
    const key = context ? `${name} (${context})` : name;
    made.set(key, made.has(key) ? `${made.get(key)}, ${digest}` : digest);
  }
  return made;
}

/** @param {any} run @returns {Record<string, Map<string, string | number>>} */
function partsOf(run) {
  const tags = Object.entries(run.tags).filter(([key]) => !/^(mlflow|tracklet)\./.test(key));
  const code = Object.entries(run.tags).filter(([key]) => key.startsWith('mlflow.source.'));
  return {
    Metrics: new Map(run.metrics.map((/** @type {any[]} */ m) => [m[0], m[1]])),
    Params: new Map(Object.entries(run.params)),
    Tags: new Map(/** @type {any} */ (tags)),
    'Data sets': digestsOf(run.datasets),
    Code: new Map(/** @type {any} */ (code)),
  };
}

/** @param {{ ids: string[] }} props */
export default function Compare({ ids }) {
  const shown = ids.slice(0, MOST);
  const all = route.value.query.get('all') === '1';
  const { value, error, busy, again } = useAnswer(async signal => {
    const answers = await Promise.allSettled(shown.map(id => get(`run/${encodeURIComponent(id)}`, [], signal)));
    const runs = answers.flatMap(one => (one.status === 'fulfilled' ? [one.value] : []));
    const problems = answers.flatMap(one => (one.status === 'rejected' ? [one.reason] : []));
    if (!runs.length && problems.length) throw problems[0];
    return { runs, problems };
  }, shown.join());
  const [find, setFind] = useState('');
  document.title = `compare ${ids.length} runs · tracklet`;
  if (!ids.length) return html`<main id="main" class="page" tabindex="-1"><h1>Compare</h1><p>No runs were chosen: select some in the table of an experiment.</p></main>`;
  const base = value?.runs.find((/** @type {any} */ run) => run.info.run_id === route.value.query.get('base'));
  const experiments = new Map((value?.runs ?? []).map((/** @type {any} */ run) => [run.experiment.id, run.experiment.name]));
  /** @type {[string, string][]} */
  const trail = [['experiments', '#/']];
  if (experiments.size === 1) for (const [id, name] of experiments) trail.push([name, href(['experiments', id])]);
  return html`<main id="main" class="page wide" tabindex="-1">
    <${Crumbs} trail=${[...trail, ['compare']]} />
    <div class="title"><h1>Compare</h1><span class="count">${ids.length > shown.length ? `${shown.length} of ${ids.length} runs` : `${ids.length} runs`}</span></div>
    <div class="bar"><input type="search" data-filter placeholder="find keys" aria-label="find keys" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />
      <label class="check"><input type="checkbox" checked=${!all} onChange=${(/** @type {any} */ e) => setQuery({ all: e.target.checked ? null : '1' })} />only what differs</label></div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value?.problems.map((/** @type {any} */ problem) => html`<${Trouble} error=${problem} />`)}
    ${value && html`<${Table} runs=${value.runs} base=${base} find=${find} all=${all} />
      <h2>Charts</h2><${Later} load=${charts} props=${{ runs: value.runs.map((/** @type {any} */ run) => ({ id: run.info.run_id, name: run.info.run_name })), keys: [...new Set(value.runs.flatMap((/** @type {any} */ run) => run.metrics.map((/** @type {any} */ m) => m[0])))].sort() }} />
      <h2>Files</h2><${Later} load=${beside} props=${{ runs: value.runs.map((/** @type {any} */ { info }) => ({ id: info.run_id, name: info.run_name, experiment: info.experiment_id })) }} />`}
  </main>`;
}

/** @param {{ runs: any[], base: any, find: string, all: boolean }} props */
function Table({ runs, base, find, all }) {
  const parts = runs.map(partsOf);
  const reference = base && partsOf(base);
  const baseId = base?.info.run_id ?? '';
  let hidden = 0;
  const sections = Object.keys(parts[0] ?? {}).map(section => {
    const keys = [...new Set(parts.flatMap(part => [...part[section].keys()]))].sort().filter(key => key.toLowerCase().includes(find.toLowerCase()));
    const rows = keys.filter(key => all || runs.length < 2 || parts.some(part => part[section].get(key) !== parts[0][section].get(key)));
    hidden += keys.length - rows.length;
    return { section, keys, rows };
  });
  const cell = (/** @type {any} */ part, /** @type {string} */ section, /** @type {string} */ key) => {
    const value = part[section].get(key);
    if (value === undefined) return html`<td class="dim">–</td>`;
    const other = reference?.[section].get(key);
    const numeric = section === 'Metrics';
    const text = numeric ? format.number(value, 6) : String(value);
    const same = reference && other === value;
    let change = '';
    if (numeric && reference && !same && typeof other === 'number' && typeof value === 'number') {
      const by = value - other;
      change = `${by > 0 ? '+' : ''}${format.number(by, 3)}${other ? ` (${by > 0 ? '+' : ''}${format.number((by / Math.abs(other)) * 100, 3)} %)` : ''}`;
    }
    return html`<td class=${`${numeric ? 'figures' : ''} ${same ? 'dim' : ''}`} dir="auto">${text.length > 200 ? `${text.slice(0, 200)}…` : text}${change && html`<br /><span class="small change">${change}</span>`}</td>`;
  };
  return html`<div class="scroll boxed" tabindex="0"><table class="list compare"><thead><tr><th scope="col">Run</th>${runs.map(({ info }) => html`<th scope="col"><span class="dot" style=${{ background: format.colour(info.run_id) }}></span><a href=${href(['experiments', info.experiment_id, 'runs', info.run_id])} dir="auto">${info.run_name || info.run_id.slice(0, 8)}</a><br /><${Status} name=${info.status} /> <button class="quiet small" aria-pressed=${baseId === info.run_id} onClick=${() => setQuery({ base: baseId === info.run_id ? null : info.run_id })}>${baseId === info.run_id ? 'baseline' : 'as baseline'}</button></th>`)}</tr></thead>
    ${sections.filter(one => one.rows.length).map(({ section, keys, rows }) => html`<tbody><tr class="section"><th scope="colgroup" colspan=${runs.length + 1}>${section} <span class="dim">${rows.length < keys.length ? `${rows.length} of ${keys.length} differ` : keys.length}</span></th></tr>
      ${rows.slice(0, ROWS).map(key => html`<tr key=${key}><th scope="row" dir="auto">${key}</th>${parts.map(part => cell(part, section, key))}</tr>`)}
      ${rows.length > ROWS && html`<tr><td colspan=${runs.length + 1} class="dim">${ROWS} of ${rows.length} are shown: find the others</td></tr>`}</tbody>`)}
  </table></div>${hidden > 0 && html`<p class="dim small">${format.count(hidden)} keys have the same value in all runs and are hidden.</p>`}`;
}
