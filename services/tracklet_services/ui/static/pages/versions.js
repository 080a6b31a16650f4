/** A metric of a registered model over its versions: a line for each data set that it was measured on. */
import { html } from '../vendor/preact.js';
import { Figure } from '../figure/figure.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { changes } from '../lib/live.js';
import { Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { route, setQuery } from '../lib/route.js';

/** @param {{ name: string }} props */
export default function Versions({ name }) {
  const { value, error, again } = useAnswer(signal => get('registered/metrics', [['name', name]], signal), `${name} ${changes.value}`);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  if (!value.metrics.length) return html`<p class="dim">Nothing was measured of its versions.</p>`;
  const asked = route.value.query.get('metric');
  const [key, points] = value.metrics.find((/** @type {any} */ one) => one[0] === asked) ?? value.metrics[0];
  /** @type {Map<string, any>} */
  const lines = new Map();
  for (const [version, measured, dataset, digest] of points) {
    const of = [dataset, digest].filter(Boolean).join(' ');
    if (!lines.has(of)) lines.set(of, { type: 'scatter', mode: 'lines+markers', name: of || key, x: [], y: [] });
    lines.get(of).x.push(Number(version));
    lines.get(of).y.push(Number(measured));
  }
  const figure = { data: [...lines.values()], layout: { xaxis: { title: { text: 'version' } }, yaxis: { title: { text: key } } } };
  return html`<p class="bar"><label class="check">metric <select value=${key} onChange=${(/** @type {any} */ e) => setQuery({ metric: e.target.value === value.metrics[0][0] ? null : e.target.value })}>${value.metrics.map((/** @type {any} */ [one]) => html`<option value=${one}>${one}</option>`)}</select></label>
      ${value.shown < value.of && html`<span class="dim small">the newest ${format.count(value.shown)} of ${format.count(value.of)} versions</span>`}</p>
    <${Figure} figure=${figure} />`;
}
