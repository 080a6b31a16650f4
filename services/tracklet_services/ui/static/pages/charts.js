/** A chart for each metric of some runs; only those in view exist. */
import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { fetchCurves, oddities } from '../charts/data.js';
import { together } from '../charts/groups.js';
import { png, svg } from '../charts/picture.js';
import { Plot } from '../charts/plot.js';
import { BASE } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Trouble } from '../lib/parts.js';
import { route, setQuery } from '../lib/route.js';
import { awaiting, changes } from '../lib/live.js';
import { say } from '../lib/state.js';
import { save } from '../table/export.js';
import { MenuButton } from '../table/parts.js';

const MOST_RUNS = 100;
const MOST_MEMBERS = 500;
const MOST_CARDS = 300;
const HIGH = 230;

/** @typedef {{ id: string, name: string }} Run @typedef {{ label: string, ids: string[] }} Group */

let styled = false;
function style() {
  if (styled) return;
  styled = true;
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('../vendor/uplot.css', import.meta.url).href;
  document.head.append(link);
}

/**
 * `usual` is the horizontal axis that nobody asked for; of `groups` their means are drawn.
 * @param {{ runs: Run[], keys: string[], usual?: string, groups?: Group[] | null }} props
 */
export default function Charts({ runs, keys, usual = 'step', groups: grouped = null }) {
  style();
  const { query } = route.value;
  const [find, setFind] = useState(query.get('keys') ?? '');
  const x = ['step', 'time', 'wall'].includes(query.get('x') ?? '') ? /** @type {string} */ (query.get('x')) : usual;
  const half = Math.min(0.5, Math.max(0, Number(query.get('smooth')) || 0));
  const log = query.get('y') === 'log';
  const ends = (query.get('zoom') ?? '').split(',').map(Number);
  const zoom = ends.length === 2 && ends.every(Number.isFinite) && ends[0] < ends[1] ? /** @type {[number, number]} */ (ends) : null;
  const most = grouped ? MOST_MEMBERS : MOST_RUNS;
  const drawn = runs.slice(0, most);
  let pattern = null;
  try {
    pattern = new RegExp(find, 'i');
  } catch {
    pattern = null;
  }
  const shown = keys.filter(key => (pattern ? pattern.test(key) : key.includes(find)));
  if (!keys.length) return html`<p class="dim">No metrics were recorded.</p>`;
  /** @type {Map<string, string[]>} */
  const groups = new Map();
  for (const key of shown.slice(0, MOST_CARDS)) {
    const group = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
    groups.set(group, [...(groups.get(group) ?? []), key]);
  }
  if (groups.size > 1 && shown.length < 2 * groups.size) {
    groups.clear();
    groups.set('', shown.slice(0, MOST_CARDS));
  }
  return html`<div class="charts">
    <div class="bar">
      <input type="search" placeholder="find metrics" aria-label="find metrics, by text or regular expression" value=${find} onInput=${(/** @type {any} */ e) => {
        setFind(e.target.value);
        setQuery({ keys: e.target.value || null });
      }} />
      <label class="check">over <select aria-label="horizontal axis" value=${x} onChange=${(/** @type {any} */ e) => setQuery({ x: e.target.value === usual ? null : e.target.value, zoom: null })}><option value="step">step</option><option value="time">time since start</option><option value="wall">wall time</option></select></label>
      <label class="check">smooth <input type="range" min="0" max="20" step="1" value=${Math.round(half * 100)} aria-valuetext=${half ? `half-life ${Math.round(half * 100)} % of the span` : 'off'} onInput=${(/** @type {any} */ e) => setQuery({ smooth: e.target.value === '0' ? null : String(e.target.value / 100) })} /></label>
      <label class="check"><input type="checkbox" checked=${log} onChange=${(/** @type {any} */ e) => setQuery({ y: e.target.checked ? 'log' : null })} />log</label>
      ${zoom && html`<button class="quiet" onClick=${() => setQuery({ zoom: null })}>all of it</button>`}
      <span class="dim small">${shown.length < keys.length ? `${format.count(shown.length)} of ${format.count(keys.length)} metrics` : ''}${grouped ? ` · mean of each group, and a band from least to greatest${runs.length > most ? `, of the first ${most} of ${format.count(runs.length)} runs` : ''}` : runs.length > most ? ` · the first ${most} of ${format.count(runs.length)} runs are drawn` : ''}</span>
    </div>
    ${[...groups].map(([group, of]) => html`<section key=${group}>${groups.size > 1 && html`<h2>${group || 'others'} <span class="dim">${of.length}</span></h2>`}
      <div class="chart-grid">${of.map(key => html`<${Card} key=${key} runs=${drawn} groups=${grouped} name=${key} look=${{ x, half, log, zoom }} />`)}</div></section>`)}
    ${shown.length > MOST_CARDS && html`<p class="dim">${MOST_CARDS} of ${format.count(shown.length)} metrics are shown: find the others.</p>`}
  </div>`;
}

/** @param {{ runs: Run[], groups: Group[] | null, name: string, look: import('../charts/plot.js').Look }} props */
function Card({ runs, groups, name, look }) {
  const card = useRef(/** @type {any} */ (null));
  const host = useRef(/** @type {any} */ (null));
  const plot = useRef(/** @type {Plot | null} */ (null));
  const [near, setNear] = useState(false);
  const [curves, setCurves] = useState(/** @type {import('../charts/data.js').Curve[] | null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [hover, setHover] = useState(/** @type {any} */ (null));
  const [asTable, setAsTable] = useState(false);
  const [exporting, setExporting] = useState(false);
  const [turn, again] = useState(0);
  const names = Object.fromEntries(groups ? groups.map(({ label }) => [label, label]) : runs.map(run => [run.id, run.name || run.id.slice(0, 8)]));
  const ids = runs.map(run => run.id).join();
  useEffect(() => {
    const seen = new IntersectionObserver(entries => setNear(entries.some(entry => entry.isIntersecting)), { rootMargin: '300px' });
    seen.observe(card.current);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    if (!near || !card.current) return undefined;
    const controller = new AbortController();
    const width = card.current.clientWidth;
    awaiting(fetchCurves(runs.map(run => run.id), name, look.x, look.zoom, Math.max(100, Math.min(2000, width)), controller.signal)).then(
      came => {
        const some = came.filter(curve => curve.count);
        setCurves(groups ? groups.flatMap(({ label, ids: members }) => {
          const of = some.filter(curve => members.includes(curve.run));
          return of.length ? [together(label, of, look.x)] : [];
        }) : some);
        setError(null);
      },
      problem => problem.name !== 'AbortError' && setError(problem),
    );
    return () => controller.abort();
  }, [near, ids, groups?.map(one => one.label).join(), name, look.x, look.zoom?.join(), turn, changes.value]);
  useEffect(() => {
    const at = host.current;
    if (!curves || !near || asTable || !at) return undefined;
    const drawing = new Plot(
      at,
      zoom => setQuery({ zoom: zoom && zoom.map(v => Number(v.toPrecision(15))).join() }),
      (place, values) => setHover(place === null ? null : { place, values }),
    );
    plot.current = drawing;
    const draw = () => drawing.draw(curves, look, at.clientWidth, HIGH);
    draw();
    const resized = new ResizeObserver(() => drawing.resize(at.clientWidth));
    resized.observe(at);
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener('change', draw);
      drawing.destroy();
    };
  }, [curves, near, asTable, look.log, look.half, look.zoom?.join()]);
  const picture = async (/** @type {'png' | 'svg'} */ kind) => {
    setExporting(false);
    const drawing = plot.current;
    if (!drawing?.plot) return;
    try {
      const made = kind === 'png' ? await png(drawing.plot, name) : svg(drawing.plot, name, drawing.lines.map(one => names[one.run]), drawing.lines.map(one => one.at));
      save(`${fileName(name)}.${kind}`, made);
    } catch (problem) {
      say(String(/** @type {any} */ (problem).message));
    }
  };
  const total = (curves ?? []).reduce((sum, curve) => sum + curve.count, 0);
  const odd = (curves ?? []).flatMap(curve => oddities(curve).map(one => ({ ...one, run: curve.run })));
  const left = look.log ? (curves ?? []).reduce((sum, { mean }) => sum + mean.filter(v => v <= 0).length, 0) : 0;
  const summary = (curves ?? []).map(curve => `${names[curve.run]}: ${format.count(curve.count)} points, last ${format.number(lastOf(curve))}`).slice(0, 12).join('; ');
  return html`<article class="chart card" ref=${card} aria-label=${name}>
    <div class="chart-head"><h3 dir="auto">${name}</h3><span class="dim small">${hover ? at(hover.place, look.x) : curves ? `${format.count(total)} points` : ''}</span>${curves && curves.length > 0 && html`<${MenuButton} quiet label="export" of=${name} open=${exporting} onOpen=${setExporting}>
      <button disabled=${asTable} onClick=${() => picture('png')}>picture (PNG)</button><button disabled=${asTable} onClick=${() => picture('svg')}>lines (SVG)</button>
      <a href=${pointsUrl(runs, name, look)} download=${`${fileName(name)}.csv`} onClick=${() => setExporting(false)}>all points${look.zoom ? ' in view' : ''} (CSV)</a></${MenuButton}>`}<button class="quiet small" aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}>${asTable ? 'chart' : 'table'}</button></div>
    ${error && html`<${Trouble} error=${error} retry=${() => again(n => n + 1)} />`}
    ${asTable && curves ? html`<div class="scroll chart-table" tabindex="0"><table class="list"><thead><tr><th>Run</th><th class="number">points</th><th class="number">least</th><th class="number">greatest</th><th class="number">last</th></tr></thead><tbody>${curves.map(curve => html`<tr><td>${names[curve.run]}</td><td class="number">${format.count(curve.count)}</td><td class="number">${format.number(extreme(curve, -1))}</td><td class="number">${format.number(extreme(curve, 1))}</td><td class="number">${format.number(lastOf(curve))}</td></tr>`)}</tbody></table></div>`
      : html`<div class="plot" ref=${host} role="img" tabindex="0" aria-label=${`${name} over ${look.x}. ${summary}`} onKeyDown=${(/** @type {any} */ e) => {
        if (e.key === '0') setQuery({ zoom: null });
        else if ((e.key === '+' || e.key === '-') && curves?.length) setQuery({ zoom: zoomed(curves, look.zoom, e.key === '+' ? 0.5 : 2) });
        else return;
        e.stopPropagation();
      }}></div>`}
    ${hover && html`<ul class="hover-list">${[...hover.values].sort((a, b) => b.value - a.value).slice(0, 12).map(({ run, value }) => html`<li><span class="dot" style=${{ background: format.colour(run) }}></span><span class="name">${names[run]}</span><span class="number">${format.number(value)}</span></li>`)}</ul>`}
    ${odd.length > 0 && html`<p class="reason small">▲ not finite: ${format.count(odd.reduce((sum, one) => sum + one.count, 0))} points, the first at ${at(odd[0].x, look.x)} of ${names[odd[0].run]}</p>`}
    ${left > 0 && html`<p class="reason small">${format.count(left)} values of 0 or less have no place on a logarithmic axis</p>`}
  </article>`;
}

/** @param {string} name */
const fileName = name => name.replace(/[^\p{L}\p{N}._-]+/gu, '-');

/** Where the points of a chart are as they were recorded. @param {Run[]} runs @param {string} key @param {import('../charts/plot.js').Look} look */
function pointsUrl(runs, key, { x, zoom }) {
  const url = new URL('points', BASE);
  url.searchParams.set('key', key);
  for (const { id } of runs) url.searchParams.append('run', id);
  if (zoom) for (const [name, value] of [['x', x], ['from', zoom[0]], ['to', zoom[1]]]) url.searchParams.set(String(name), String(value));
  return url.href;
}

/** @param {import('../charts/data.js').Curve[]} curves @param {[number, number] | null} zoom @param {number} by */
function zoomed(curves, zoom, by) {
  const low = zoom?.[0] ?? Math.min(...curves.map(curve => curve.x[0]));
  const high = zoom?.[1] ?? Math.max(...curves.map(curve => curve.x[curve.x.length - 1]));
  const half = ((high - low) / 2) * by;
  return `${(low + high) / 2 - half},${(low + high) / 2 + half}`;
}

/** @param {import('../charts/data.js').Curve} curve */
function lastOf({ last, mean }) {
  const values = last ?? mean;
  return values.length ? values[values.length - 1] : NaN;
}

/** @param {import('../charts/data.js').Curve} curve @param {1 | -1} sign */
function extreme({ least, most, mean }, sign) {
  let found = NaN;
  for (const v of (sign < 0 ? least : most) ?? mean) if (Number.isFinite(v) && (Number.isNaN(found) || v * sign > found * sign)) found = v;
  return found;
}

/** @param {number} place @param {string} x */
const at = (place, x) => (x === 'wall' ? format.time(place) : x === 'time' ? format.duration(place * 1000) : `step ${format.number(place, 7)}`);
