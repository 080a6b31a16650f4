/** Parallel coordinates: an axis for each column, a line for each run; brushes keep those within them. */
import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { useColumns } from '../charts/fetched.js';
import { axisOf, condition, drawable, fetched, ramp, suitsLog, title } from '../charts/points.js';
import { scale } from '../figure/scales.js';
import * as format from '../lib/format.js';
import { Trouble } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';
import { decode } from '../table/best.js';
import * as columns from '../table/columns.js';

const HIGH = 420;
const TOP = 42;
const FOOT = 16;
const APART = 170;
const MOST = 12;

/** @param {{ data: any, rows: number[], uses: columns.Use[], names: string[], filter: string }} props */
export default function Parallel({ data, rows, uses, names, filter }) {
  const { query } = route.value;
  const all = drawable(uses);
  const params = names.filter(name => name.startsWith('param.'));
  const metrics = names.filter(name => name.startsWith('metric.'));
  const usual = [...params.slice(0, 6), ...metrics.slice(0, 2)];
  const asked = columns.parse(query.get('axes') ?? '').filter(name => all.includes(name));
  const axes = (asked.length ? asked : usual.length > 1 ? usual : all.slice(0, 4)).slice(0, MOST);
  const wanted = fetched(axes);
  const { error, again } = useColumns(data, wanted);
  const change = (/** @type {string[]} */ next) => setQuery({ axes: columns.spell(next) || null });
  return html`<div class="bar"><label class="check">axis <select value="" onChange=${(/** @type {any} */ e) => {
      if (e.target.value) change([...axes, e.target.value]);
      e.target.value = '';
    }}><option value="">add one</option>${all.filter(name => !axes.includes(name)).map(name => html`<option value=${name}>${title(name)}</option>`)}</select></label>
      ${axes.length >= MOST && html`<span class="dim small">at most ${MOST} axes</span>`}</div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${wanted.every(name => data.columns.has(name)) && html`<${Drawing} data=${data} rows=${rows} names=${axes} filter=${filter} onChange=${change} />`}`;
}

/** @typedef {{ low: number, high: number }} Brush From 0 (the foot of an axis) to 1. */

/** @param {string} text @returns {Record<string, Brush>} */
function brushesOf(text) {
  /** @type {Record<string, Brush>} */
  const found = {};
  for (const one of text.split(',')) {
    const [name, low, high] = one.split(':');
    if (name && Number(low) < Number(high)) found[decode(name)] = { low: Number(low), high: Number(high) };
  }
  return found;
}

/** @param {Record<string, Brush>} brushes */
const spellBrushes = brushes => Object.entries(brushes).map(([name, { low, high }]) => `${name.replace(/[%,:]/g, encodeURIComponent)}:${Number(low.toFixed(4))}:${Number(high.toFixed(4))}`).join(',');

/** @param {{ data: any, rows: number[], names: string[], filter: string, onChange: (names: string[]) => void }} props */
function Drawing({ data, rows, names, filter, onChange }) {
  const canvas = useRef(/** @type {any} */ (null));
  const drag = useRef(/** @type {any} */ (null));
  const [drawing, setDrawing] = useState(/** @type {Record<string, Brush> | null} */ (null));
  const brushes = drawing ?? brushesOf(route.value.query.get('brush') ?? '');
  const wide = APART * Math.max(1, names.length);
  const axes = names.map((name, i) => {
    const axis = axisOf(data, name);
    const values = rows.map(axis.of);
    const log = axis.numeric && name !== 'attribute.start_time' && suitsLog(/** @type {any} */ (values));
    const made = scale(axis.numeric ? values.filter(Number.isFinite) : values.filter(Boolean), { type: log ? 'log' : name === 'attribute.start_time' ? 'date' : axis.numeric ? 'linear' : 'category', tell: format.time }, HIGH - FOOT, TOP, { pad: false });
    return { ...axis, log, scale: made, x: APART * (i + 0.5) };
  });
  /** From 0 to 1, or NaN where a run has none. @param {any} axis @param {number} row */
  const heightOf = (axis, row) => {
    const value = axis.of(row);
    return value === '' || (axis.numeric && !Number.isFinite(value)) ? NaN : (HIGH - FOOT - axis.scale.at(value)) / (HIGH - FOOT - TOP);
  };
  const kept = rows.filter(row => axes.every(axis => {
    const brush = brushes[axis.name];
    if (!brush) return true;
    const at = heightOf(axis, row);
    return at >= brush.low && at <= brush.high;
  }));
  const last = axes[axes.length - 1];
  const brushed = Object.keys(brushes).filter(name => names.includes(name));
  useEffect(() => {
    const context = canvas.current.getContext('2d');
    const ratio = devicePixelRatio;
    canvas.current.width = wide * ratio;
    canvas.current.height = HIGH * ratio;
    context.scale(ratio, ratio);
    const look = getComputedStyle(canvas.current);
    const inside = new Set(kept);
    const line = (/** @type {number} */ row) => {
      context.beginPath();
      let open = false;
      for (const axis of axes) {
        const at = heightOf(axis, row);
        if (Number.isNaN(at)) open = false;
        else {
          const y = HIGH - FOOT - at * (HIGH - FOOT - TOP);
          if (open) context.lineTo(axis.x, y);
          else context.moveTo(axis.x, y);
          open = true;
        }
      }
      context.stroke();
    };
    context.lineWidth = 1;
    if (inside.size < rows.length) {
      context.strokeStyle = look.getPropertyValue('border-top-color');
      for (const row of rows) if (!inside.has(row)) line(row);
    }
    context.globalAlpha = kept.length > 1000 ? 0.25 : kept.length > 100 ? 0.5 : 0.85;
    for (const row of kept) {
      const at = heightOf(last, row);
      context.strokeStyle = Number.isNaN(at) ? look.color : ramp(at);
      line(row);
    }
    context.globalAlpha = 1;
    context.font = '11px system-ui, sans-serif';
    for (const axis of axes) {
      context.strokeStyle = look.color;
      context.beginPath();
      context.moveTo(axis.x, TOP);
      context.lineTo(axis.x, HIGH - FOOT);
      context.stroke();
      context.fillStyle = look.color;
      for (const [value, text] of axis.scale.ticks) {
        const y = axis.scale.at(value);
        if (y >= TOP - 1 && y <= HIGH - FOOT + 1) context.fillText(text.length > 14 ? `${text.slice(0, 13)}…` : text, axis.x + 5, y + 4);
      }
      const brush = brushes[axis.name];
      if (brush) {
        context.fillStyle = look.getPropertyValue('outline-color');
        context.globalAlpha = 0.3;
        context.fillRect(axis.x - 8, HIGH - FOOT - brush.high * (HIGH - FOOT - TOP), 16, (brush.high - brush.low) * (HIGH - FOOT - TOP));
        context.globalAlpha = 1;
      }
    }
  });
  const offset = (/** @type {any} */ e) => {
    const { left, top } = canvas.current.getBoundingClientRect();
    return [e.clientX - left, Math.max(0, Math.min(1, (HIGH - FOOT - (e.clientY - top)) / (HIGH - FOOT - TOP)))];
  };
  const brush = (/** @type {string} */ name, /** @type {Brush | null} */ to) => {
    const next = { ...brushesOf(route.value.query.get('brush') ?? '') };
    if (to) next[name] = to;
    else delete next[name];
    setQuery({ brush: spellBrushes(next) || null });
  };
  const toFilter = () => {
    const parts = brushed.flatMap(name => {
      const axis = /** @type {any} */ (axes.find(one => one.name === name));
      const values = [...new Set(kept.map(axis.of))];
      if (name.startsWith('metric.')) return [condition(name, '>=', Math.min(...values)), condition(name, '<=', Math.max(...values))];
      const texts = kept.map(row => String(data.columns.get(name)?.texts?.[data.columns.get(name).values[row] - 1] ?? ''));
      return [`${columns.term(name)} IN (${[...new Set(texts)].filter(text => !text.includes("'")).map(text => `'${text}'`).join(', ')})`];
    });
    setQuery({ filter: [filter.trim(), ...parts].filter(Boolean).join(' and '), brush: null });
  };
  const mayFilter = kept.length > 0 && brushed.every(name => name.startsWith('metric.') || (/^(param|tag)\./.test(name) && new Set(kept.map(/** @type {any} */ (axes.find(one => one.name === name)).of)).size <= 50));
  const move = (/** @type {number} */ i, /** @type {number} */ by) => {
    const next = [...names];
    next.splice(i + by, 0, ...next.splice(i, 1));
    onChange(next);
  };
  const carry = (/** @type {PointerEvent} */ event, /** @type {number} */ i) => {
    if (event.button) return;
    const grip = /** @type {HTMLElement} */ (event.currentTarget);
    const head = /** @type {HTMLElement} */ (grip.parentElement);
    const controller = new AbortController();
    const way = (/** @type {PointerEvent} */ e) => Math.max(-i, Math.min(names.length - 1 - i, (e.clientX - event.clientX) / APART));
    grip.setPointerCapture(event.pointerId);
    head.classList.add('dragged');
    grip.addEventListener('pointermove', e => {
      head.style.translate = `${way(e) * APART}px`;
    }, controller);
    const end = (/** @type {PointerEvent} */ e) => {
      controller.abort();
      head.classList.remove('dragged');
      head.style.translate = '';
      const by = Math.round(way(e));
      if (by && e.type === 'pointerup') move(i, by);
    };
    grip.addEventListener('pointerup', end, controller);
    grip.addEventListener('pointercancel', end, controller);
    event.preventDefault();
  };
  const picker = (/** @type {any} */ axis, /** @type {'low' | 'high'} */ end) => {
    const now = brushes[axis.name] ?? { low: 0, high: 1 };
    return html`<input type="range" min="0" max="100" value=${Math.round(now[end] * 100)} aria-label=${`${end === 'low' ? 'least' : 'greatest'} of ${title(axis.name)}, in parts of the axis`} onChange=${(/** @type {any} */ e) => {
      const to = { ...now, [end]: Number(e.target.value) / 100 };
      brush(axis.name, to.low < to.high && (to.low > 0 || to.high < 1) ? to : null);
    }} />`;
  };
  return html`<p><span role="status">${format.count(kept.length)} of ${format.count(rows.length)} runs${brushed.length ? ' within the brushes' : ''}</span>, coloured by ${title(last?.name ?? '')}. ${' '}
      ${brushed.length > 0 && html`<button disabled=${!mayFilter} onClick=${toFilter}>filter by them</button> <button class="quiet" disabled=${kept.length < 2} onClick=${() => (location.hash = href(['compare'], { runs: kept.slice(0, 500).map(row => data.ids[row]).join(',') }).slice(1))}>compare them</button> <button class="quiet" onClick=${() => setQuery({ brush: null })}>no brushes</button>`}</p>
    <div class="scroll" tabindex="0" role="region" aria-label="parallel coordinates"><div class="parallel" style=${{ width: `${wide}px` }}>
      <canvas ref=${canvas} style=${{ width: `${wide}px`, height: `${HIGH}px` }} role="img" aria-label=${`${rows.length} runs over ${names.map(title).join(', ')}; ${kept.length} within the brushes`}
        onPointerDown=${(/** @type {any} */ e) => {
          const [x, y] = offset(e);
          const axis = axes.find(one => Math.abs(one.x - x) < 24);
          if (!axis) return;
          drag.current = { name: axis.name, from: y };
          e.currentTarget.setPointerCapture(e.pointerId);
        }} onPointerMove=${(/** @type {any} */ e) => {
          if (!drag.current) return;
          const y = offset(e)[1];
          const { name, from } = drag.current;
          setDrawing({ ...brushes, [name]: { low: Math.min(from, y), high: Math.max(from, y) } });
        }} onPointerUp=${(/** @type {any} */ e) => {
          if (!drag.current) return;
          const y = offset(e)[1];
          const { name, from } = drag.current;
          drag.current = null;
          setDrawing(null);
          brush(name, Math.abs(y - from) < 0.01 ? null : { low: Math.min(from, y), high: Math.max(from, y) });
        }}></canvas>
      ${axes.map((axis, i) => html`<div class="axis-head" key=${axis.name} style=${{ left: `${axis.x - APART / 2 + 4}px`, width: `${APART - 8}px` }}><span class="axis-name" dir="auto" title=${title(axis.name)} onPointerDown=${(/** @type {any} */ e) => carry(e, i)}>${title(axis.name)}${axis.log ? ' (log)' : ''}</span><span><button class="quiet small" disabled=${!i} aria-label=${`move ${title(axis.name)} left`} onClick=${() => move(i, -1)}>‹</button><button class="quiet small" disabled=${i === axes.length - 1} aria-label=${`move ${title(axis.name)} right`} onClick=${() => move(i, 1)}>›</button><button class="quiet small" aria-label=${`remove ${title(axis.name)}`} onClick=${() => onChange(names.filter(name => name !== axis.name))}>×</button></span></div>`)}
    </div></div>
    <details><summary>brushes by keys</summary><div class="brushes">${axes.map(axis => html`<p key=${axis.name}><span dir="auto">${title(axis.name)}</span> ${picker(axis, 'low')} ${picker(axis, 'high')}</p>`)}</div></details>`;
}
