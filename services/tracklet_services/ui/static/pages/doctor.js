/** Where things are, whether they work, and what to do where they don't: what `tracklet doctor` says. */
import { html } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Copy, Pairs, Trouble, useAnswer, Waiting } from '../lib/parts.js';

const STATES = /** @type {Record<string, string>} */ ({ active: 'in use', waiting: 'waits for its framework', declined: 'does not support the version', broken: 'broken' });

export default function Doctor() {
  const { value, error, busy, again } = useAnswer(signal => get('doctor', [], signal), 'doctor');
  document.title = 'doctor · tracklet';
  const checks = Object.entries(value?.checks ?? {});
  const unused = (value?.plugins ?? []).filter((/** @type {any} */ one) => one.state !== 'active');
  return html`<main id="main" class="page" tabindex="-1">
    <div class="title"><h1>Doctor</h1>${value && html`<span class="status" data-status=${value.healthy ? 'FINISHED' : 'FAILED'}>${value.healthy ? 'tracklet is well' : 'tracklet has a problem'}</span>`}<span class="grow"></span>
      ${value && html`<${Copy} text=${JSON.stringify(value, null, 2)} label="copy all" />`}<button onClick=${again} disabled=${busy}>examine again</button></div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value && html`<div class="cards">
      <section class="card full"><h2>Checks</h2>${checks.map(([name, check]) => html`<div class="check-row" data-ok=${check.ok}><span class="status" data-status=${check.ok ? 'FINISHED' : 'FAILED'}>${name}</span><div><p class="check-text" dir="auto">${check.message}</p>${check.way_out && html`<p class="way-out">${check.way_out}</p>`}</div></div>`)}</section>
      <section class="card"><h2>Facts</h2><${Pairs} label="facts" rows=${Object.entries(value.facts).map(([key, text]) => [key.replaceAll('_', ' '), text])} empty="" /></section>
      <section class="card"><h2>Environment</h2><p class="dim small">Secrets are masked.</p><${Pairs} label="environment" rows=${Object.entries(value.environment)} empty="No variable of tracklet or MLflow is set." /></section>
      <section class="card"><h2>Plugins</h2><p class="dim">${format.count(value.plugins.length - unused.length)} of ${format.count(value.plugins.length)} are in use.</p>
        ${unused.map((/** @type {any} */ one) => html`<p class="plugin"><strong>${one.name}</strong> <span class="dim small">${one.group.replace('tracklet.', '')} · ${STATES[one.state] ?? one.state}</span>${one.reason && html`<br /><span class="small" dir="auto">${one.reason}</span>`}</p>`)}</section>
      <section class="card"><h2>Limits</h2><p class="dim small">What one request may ask for.</p><${Pairs} label="limits" rows=${Object.entries(value.limits).map(([key, most]) => [key.replaceAll('_', ' '), format.count(/** @type {number} */ (most))])} empty="" /></section>
    </div>`}
  </main>`;
}
