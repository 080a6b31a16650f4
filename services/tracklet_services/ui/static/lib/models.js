/** What the pages of models have in common. */
import { html } from '../vendor/preact.js';
import * as format from './format.js';
import { Status } from './parts.js';
import { href } from './route.js';

/** @param {{ run: any }} props A run that made something; it may be gone. */
export function RunLink({ run }) {
  if (!run) return html`<span class="dim">–</span>`;
  if (!run.experiment_id) return html`<span class="dim"><code>${run.id.slice(0, 8)}</code> (not there any more)</span>`;
  return html`<span class="nowrap"><a href=${href(['experiments', run.experiment_id, 'runs', run.id])} dir="auto">${run.name || run.id.slice(0, 8)}</a> ${run.status && html`<${Status} name=${run.status} />`}</span>`;
}

/** @param {string} name @param {string} number */
export const versionHref = (name, number) => href(['models', name, 'versions', number]);

/** @param {{ name: string, aliases: [string, string][] }} props */
export function Aliases({ name, aliases }) {
  return html`<span class="tags">${aliases.map(([alias, number]) => html`<a class="badge" key=${alias} dir="auto" href=${versionHref(name, number)}>@${alias}<span class="dim"> → ${number}</span></a>`)}</span>`;
}

/** @param {{ stage: string }} props */
export const Stage = ({ stage }) => (stage && stage !== 'None' ? html`<span class="badge stage" data-stage=${stage}>${stage}</span>` : html`<span class="dim">–</span>`);

/** @param {{ metrics: any[] }} props Key, value, step, data set and digest of each. */
export function Measured({ metrics }) {
  if (!metrics.length) return html`<p class="dim">No metrics were recorded of it.</p>`;
  const known = metrics.some(one => one[3]);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="metrics"><table class="list"><thead><tr><th scope="col">Metric</th><th scope="col" class="number">Value</th><th scope="col" class="number">Step</th>${known && html`<th scope="col">Data set</th>`}</tr></thead>
    <tbody>${metrics.slice(0, 300).map(([key, value, step, data, digest]) => html`<tr><th scope="row" dir="auto">${key}</th><td class="number">${format.number(value, 7)}</td><td class="number dim">${format.count(step)}</td>${known && html`<td dir="auto">${data ?? '–'} ${digest && html`<code class="dim">${digest}</code>`}</td>`}</tr>`)}</tbody></table></div>
    ${metrics.length > 300 && html`<p class="dim">300 of ${format.count(metrics.length)} are shown.</p>`}`;
}

/** What a model was trained and measured with. @param {{ datasets: any[] }} props */
export function DataSets({ datasets }) {
  return html`<ul class="plain">${datasets.map(one => html`<li><strong dir="auto">${one.name}</strong> ${one.tags['mlflow.data.context'] && html`<span class="badge">${one.tags['mlflow.data.context']}</span>`} <code class="dim">${one.digest}</code></li>`)}</ul>`;
}

/** What is of one experiment: its runs, the models they logged, its traces. @param {{ ids: string[], at: 'runs' | 'models' | 'traces' }} props */
export function Parts({ ids, at }) {
  const of = ids.join(',');
  const parts = /** @type {[string, string][]} */ ([['runs', href(['experiments', of])], ['models', href(['experiments', of, 'models'])], ['traces', href(['experiments', of, 'traces'])]]);
  return html`<nav class="parts" aria-label="parts of the experiment">${parts.map(([name, address]) => html`<a href=${address} aria-current=${name === at ? 'page' : undefined}>${name}</a>`)}</nav>`;
}
