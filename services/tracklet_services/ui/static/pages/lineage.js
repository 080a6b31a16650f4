/** Where something came from and what came of it: data sets, runs, models, versions from left to right. */
import { html } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { changes } from '../lib/live.js';
import { versionHref } from '../lib/models.js';
import { Status, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';

const LAYERS = /** @type {[string, string][]} */ ([['dataset', 'Data sets'], ['run', 'Runs'], ['model', 'Models'], ['version', 'Versions']]);
const WIDTH = 210;
const GAP = 74;
const HEIGHT = 50;
const SPACE = 12;
const HEAD = 30;
const MOST = 12;

/** @param {any} node @returns {string | undefined} */
function addressOf({ kind, key, experiment }) {
  if (kind === 'run') return href(['experiments', experiment, 'runs', key]);
  if (kind === 'model') return href(['experiments', experiment, 'models', key]);
  if (kind === 'version') return versionHref(key.slice(0, key.lastIndexOf('/')), key.slice(key.lastIndexOf('/') + 1));
  return undefined;
}

/** @param {{ node: any }} props */
function Words({ node }) {
  const address = addressOf(node);
  const name = node.name || node.key.slice(0, 8);
  return html`${address ? html`<a href=${address} dir="auto">${name}</a>` : html`<strong dir="auto">${name}</strong>`}<span class="dim small">${node.kind === 'run' ? html`<${Status} name=${node.detail} />` : node.detail}</span>`;
}

/** @param {{ of: string }} props */
export default function Lineage({ of }) {
  const { value, error, busy, again } = useAnswer(signal => get('lineage', [['of', of]], signal), `${of} ${changes.value}`);
  const asList = route.value.query.get('view') === 'list';
  document.title = 'lineage · tracklet';
  const focus = value?.nodes.find((/** @type {any} */ node) => node.id === value.of);
  return html`<main id="main" class="page wide" tabindex="-1">
    <div class="title"><h1>Lineage</h1>${focus && html`<span dir="auto">of ${LAYERS.find(one => one[0] === focus.kind)?.[1].toLowerCase().replace(/s$/, '')} <a href=${addressOf(focus)}>${focus.name}</a></span>`}
      <span class="grow"></span>${value && html`<button class="quiet" aria-pressed=${asList} onClick=${() => setQuery({ view: asList ? null : 'list' })}>as a list</button>`}</div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value && (asList ? html`<${List} graph=${value} />` : html`<${Graph} graph=${value} />`)}
    ${value && value.nodes.length === 1 && html`<p class="dim">Nothing is known to have gone into it or come of it. <code>tracklet.log_input(dataset)</code> says what a run used.</p>`}
    ${value?.left_out > 0 && html`<p class="dim">${format.count(value.left_out)} more are not shown.</p>`}
  </main>`;
}

/** @param {{ graph: any }} props */
function Graph({ graph }) {
  const layers = LAYERS.map(([kind, title]) => {
    const all = graph.nodes.filter((/** @type {any} */ node) => node.kind === kind);
    // What is looked at stays among those drawn.
    const ranked = [...all].sort((a, b) => Number(b.id === graph.of) - Number(a.id === graph.of));
    return { title, all, drawn: ranked.slice(0, MOST) };
  }).filter(layer => layer.all.length);
  /** @type {Map<string, [number, number]>} */
  const places = new Map();
  const tallest = Math.max(...layers.map(layer => layer.drawn.length));
  const height = HEAD + tallest * (HEIGHT + SPACE) + 24;
  const width = layers.length * WIDTH + (layers.length - 1) * GAP;
  layers.forEach(({ drawn }, column) => {
    const top = HEAD + ((tallest - drawn.length) * (HEIGHT + SPACE)) / 2;
    drawn.forEach((/** @type {any} */ node, /** @type {number} */ row) => places.set(node.id, [column * (WIDTH + GAP), top + row * (HEIGHT + SPACE)]));
  });
  const path = (/** @type {[string, string, string]} */ [from, to]) => {
    const [a, b] = [places.get(from), places.get(to)];
    if (!a || !b) return null;
    const [x1, y1, x2, y2] = [a[0] + WIDTH, a[1] + HEIGHT / 2, b[0], b[1] + HEIGHT / 2];
    // Within a layer, around its left side.
    if (a[0] === b[0]) return `M ${a[0]} ${y1} C ${a[0] - 34} ${y1}, ${a[0] - 34} ${y2}, ${a[0] - 1} ${y2}`;
    const bend = Math.max(30, (x2 - x1) / 2);
    return `M ${x1} ${y1} C ${x1 + bend} ${y1}, ${x2 - bend} ${y2}, ${x2} ${y2}`;
  };
  return html`<div class="scroll lineage-host" tabindex="0" role="region" aria-label="lineage"><div class="lineage" style=${{ width: `${width + 40}px`, height: `${height}px` }}>
    <svg aria-hidden="true" width=${width + 40} height=${height}><defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M 0 0 L 8 4 L 0 8 z" /></marker></defs>
      <g transform="translate(38 0)">${graph.edges.map((/** @type {any} */ edge) => {
        const d = path(edge);
        return d && html`<path d=${d} marker-end="url(#tip)" class=${edge[0] === graph.of || edge[1] === graph.of ? 'near' : ''} />`;
      })}</g></svg>
    ${layers.map(({ title, all, drawn }, column) => html`<h2 style=${{ left: `${38 + column * (WIDTH + GAP)}px` }}>${title} <span class="dim">${all.length > drawn.length ? `${drawn.length} of ${all.length}` : all.length}</span></h2>
      ${drawn.map((/** @type {any} */ node) => {
        const [left, top] = places.get(node.id) ?? [0, 0];
        return html`<div key=${node.id} class=${node.id === graph.of ? 'node focus' : 'node'} style=${{ left: `${left + 38}px`, top: `${top}px`, width: `${WIDTH}px`, height: `${HEIGHT}px` }}><${Words} node=${node} /></div>`;
      })}`)}
  </div></div>`;
}

/** @param {{ graph: any }} props */
function List({ graph }) {
  const names = new Map(graph.nodes.map((/** @type {any} */ node) => [node.id, node]));
  return html`<div class="scroll boxed" tabindex="0" role="region" aria-label="lineage"><table class="list"><thead><tr><th scope="col">Kind</th><th scope="col">What</th><th scope="col">came of</th><th scope="col">led to</th></tr></thead><tbody>
    ${graph.nodes.map((/** @type {any} */ node) => {
      const side = (/** @type {number} */ mine, /** @type {number} */ other) => graph.edges.filter((/** @type {any} */ edge) => edge[mine] === node.id).map((/** @type {any} */ edge) => html`<div><span class="dim">${edge[2]}</span> ${names.get(edge[other])?.name}</div>`);
      return html`<tr key=${node.id}><td class="dim">${node.kind === 'dataset' ? 'data set' : node.kind}</td><th scope="row"><${Words} node=${node} /></th><td>${side(1, 0)}</td><td>${side(0, 1)}</td></tr>`;
    })}</tbody></table></div>`;
}
