/** Files of one path in several runs: pictures and figures side by side, figures over one another. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { fileText, fileUrl, get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Later, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';
import { at, shotOf, Steps } from './pictures.js';

const MOST_RUNS = 12;
const MOST_FOLDERS = 40;
const SHOWN = /\.(png|jpe?g|gif|webp|avif|svg|bmp|json|txt|md|csv|tsv|ya?ml)$/i;
const PICTURE = /\.(png|jpe?g|gif|webp|avif|svg|bmp)$/i;
const LARGEST = 2 << 20;

/** @typedef {{ id: string, name: string, experiment: string }} Run */

/** All files of a run, as far as its first folders reach. @param {string} run @param {AbortSignal} signal */
async function filesOf(run, signal) {
  const files = [];
  const folders = [''];
  let asked = 0;
  for (; folders.length && asked < MOST_FOLDERS; asked++) {
    const { files: found } = await get('tree', [['run', run], ['path', folders.shift() ?? '']], signal);
    for (const file of found) {
      if (file.is_dir) folders.push(file.path);
      else files.push(file);
    }
  }
  return { files, cut: folders.length > 0 };
}

/** @param {{ runs: Run[] }} props */
export default function Beside({ runs }) {
  const shown = runs.slice(0, MOST_RUNS);
  const { value, error, again } = useAnswer(signal => Promise.all(shown.map(run => filesOf(run.id, signal))), shown.map(run => run.id).join());
  const { query } = route.value;
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  /** @type {Map<string, number>} */
  const counts = new Map();
  const series = new Set();
  for (const { files } of value) {
    for (const { path } of files) {
      const shot = shotOf(path);
      if (shot) series.add(shot.key);
      else if (SHOWN.test(path) && !/compressed\.\w+$/.test(path)) counts.set(path, (counts.get(path) ?? 0) + 1);
    }
  }
  const names = [...[...series].sort().map(key => `series of ${key}`), ...[...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([path]) => path)];
  const first = names.find(name => PICTURE.test(name) || name.startsWith('series of ')) ?? names.find(name => name.endsWith('.json')) ?? names[0];
  const path = names.includes(query.get('path') ?? '') ? /** @type {string} */ (query.get('path')) : first;
  if (!names.length) return html`<p class="dim">None of these runs has files that can be shown side by side.</p>`;
  return html`<div class="bar"><label class="check">file <select value=${path} onChange=${(/** @type {any} */ e) => setQuery({ path: e.target.value })}>${names.map(name => html`<option value=${name} selected=${name === path}>${name}${counts.has(name) ? ` (${counts.get(name)} of ${shown.length})` : ''}</option>`)}</select></label>
      <span class="dim small">${runs.length > shown.length ? `of the first ${shown.length} of ${format.count(runs.length)} runs` : ''} ${value.some(one => one.cut) ? `· of the first ${MOST_FOLDERS} folders` : ''}</span></div>
    ${path.startsWith('series of ') ? html`<${Series} key=${path} runs=${shown} of=${value.map(({ files }) => files.map(file => shotOf(file.path)).filter(shot => shot?.key === path.slice('series of '.length)))} />`
      : html`<${Same} key=${path} path=${path} runs=${shown} sizes=${value.map(({ files }) => files.find(file => file.path === path)?.size)} />`}`;
}

/** @param {{ run: Run, children?: any }} props */
const Panel = ({ run, children }) => html`<section class="panel"><h3><span class="dot" style=${{ background: format.colour(run.id) }}></span><a href=${href(['experiments', run.experiment, 'runs', run.id], { tab: 'artifacts' })} dir="auto">${run.name || run.id.slice(0, 8)}</a></h3>${children}</section>`;

/** @param {{ runs: Run[], of: any[][] }} props */
function Series({ runs, of }) {
  const steps = [...new Set(of.flatMap(shots => shots.map(shot => shot.step)))].sort((a, b) => a - b);
  const [asked, setStep] = useState(/** @type {number | null} */ (null));
  const step = asked ?? steps[steps.length - 1];
  return html`${steps.length > 1 && html`<div class="bar"><${Steps} steps=${steps} step=${step} onStep=${setStep} /></div>`}
    <div class="panels">${runs.map((run, i) => {
      const [shot] = [...at(of[i], step).values()];
      return html`<${Panel} run=${run}>${shot ? html`<img src=${fileUrl('runs', run.id, shot.path)} alt=${`${shot.key} of ${run.name}`} /><p class="dim small">step ${format.count(shot.step)}</p>` : html`<p class="dim">none up to this step</p>`}</${Panel}>`;
    })}</div>`;
}

/** A figure, if a text is one. @param {string} text */
function figureOf(text) {
  try {
    const document = JSON.parse(text);
    const isTrace = (/** @type {any} */ one) => one && typeof one === 'object' && !Array.isArray(one);
    return document && Array.isArray(document.data) && document.data.every(isTrace) && (document.layout || document.data.some((/** @type {any} */ one) => one.x || one.y)) ? document : null;
  } catch {
    return null;
  }
}

/** Traces of several figures in one: those of the same run have its colour; what all have is drawn once. @param {{ run: Run, figure: any }[]} given */
export function over(given) {
  const seen = new Set();
  const data = given.flatMap(({ run, figure }) => figure.data.flatMap((/** @type {any} */ trace) => {
    const { name, line, marker, ...values } = trace;
    const key = JSON.stringify([name, values]);
    const shared = given.length > 1 && given.every(other => other.figure.data.some((/** @type {any} */ one) => JSON.stringify([one.name, (({ name: _, line: __, marker: ___, ...rest }) => rest)(one)]) === key));
    if (shared && seen.has(key)) return [];
    seen.add(key);
    if (shared) return [trace];
    const colour = format.colour(run.id);
    const label = run.name || run.id.slice(0, 8);
    return [{ ...trace, name: name ? `${label}: ${typeof name === 'object' ? name.text : name}` : label, line: { ...line, color: colour }, marker: { ...marker, color: colour } }];
  }));
  return { data, layout: { ...given[0].figure.layout, showlegend: true } };
}

/** @param {{ runs: Run[], path: string, sizes: (number | undefined)[] }} props */
function Same({ runs, path, sizes }) {
  const having = runs.filter((_, i) => sizes[i] !== undefined);
  const picture = PICTURE.test(path);
  const { value: texts, error, again } = useAnswer(async signal => (picture ? [] : Promise.all(having.map(run => ((sizes[runs.indexOf(run)] ?? 0) > LARGEST ? null : fileText(fileUrl('runs', run.id, path), signal))))), `${path} ${having.map(run => run.id).join()}`);
  const [Figure, setFigure] = useState(/** @type {any} */ (null));
  const [apart, setApart] = useState(false);
  const figures = picture || !texts ? [] : texts.map(text => (text === null ? null : figureOf(text)));
  const drawn = figures.some(Boolean);
  useEffect(() => {
    if (drawn) import('../figure/figure.js').then(module => setFigure(() => module.Figure));
  }, [drawn]);
  const missing = having.length < runs.length && html`<p class="dim small">Not there in ${runs.filter(run => !having.includes(run)).map(run => run.name || run.id.slice(0, 8)).join(', ')}.</p>`;
  if (picture) return html`<div class="panels">${having.map(run => html`<${Panel} run=${run}><img src=${fileUrl('runs', run.id, path)} alt=${`${path} of ${run.name}`} /></${Panel}>`)}</div>${missing}`;
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!texts || (drawn && !Figure)) return html`<${Waiting} />`;
  const given = having.flatMap((run, i) => (figures[i] ? [{ run, figure: figures[i] }] : []));
  const lines = given.length > 1 && given.every(({ figure }) => figure.data.every((/** @type {any} */ trace) => ['scatter', 'scattergl', undefined].includes(trace.type)));
  if (lines && !apart) return html`<p><button class="quiet small" onClick=${() => setApart(true)}>side by side</button></p><${Figure} figure=${over(given)} />${missing}`;
  return html`${lines && html`<p><button class="quiet small" onClick=${() => setApart(false)}>over one another</button></p>`}
    <div class="panels">${having.map((run, i) => html`<${Panel} run=${run}>${figures[i] ? html`<${Figure} figure=${figures[i]} />` : texts[i] === null ? html`<p class="dim">Larger than ${format.bytes(LARGEST)}.</p>` : html`<pre class="code" tabindex="0">${/** @type {string} */ (texts[i]).slice(0, 20_000)}</pre>`}</${Panel}>`)}</div>${missing}`;
}
