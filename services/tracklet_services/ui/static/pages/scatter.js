/** Runs as points: two columns against one another, a third as colour, a fourth as size. */
import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { useColumns } from '../charts/fetched.js';
import { axisOf, condition, correlation, drawable, fetched, ramp, suitsLog, title } from '../charts/points.js';
import { scale, short } from '../figure/scales.js';
import * as format from '../lib/format.js';
import { Trouble } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';
import { isOwn } from '../table/columns.js';

const HIGH = 460;
const LEFT = 70;
const TOP = 14;
const FOOT = 44;
const NEAR = 12;

/** @param {{ data: any, rows: number[], uses: import('../table/columns.js').Use[], names: string[], filter: string }} props */
export default function Scatter({ data, rows, uses, names, filter }) {
  const { query } = route.value;
  const all = drawable(uses);
  const metrics = uses.filter(([kind, key]) => kind === 'metric' && !isOwn(key)).map(use => `metric.${use[1]}`);
  const usual = names.filter(name => name.startsWith('param.') || name.startsWith('metric.'));
  const pick = (/** @type {string} */ key, /** @type {string} */ otherwise) => {
    const given = query.get(key) ?? '';
    return all.includes(given) ? given : otherwise;
  };
  const y = pick('sy', metrics[0] ?? 'duration');
  const x = pick('sx', usual.find(name => name.startsWith('param.')) ?? metrics.find(name => name !== y) ?? 'attribute.start_time');
  const hue = pick('sc', '');
  const size = pick('ss', '');
  const wanted = fetched([x, y, hue, size].filter(Boolean));
  const { error, again } = useColumns(data, wanted);
  const choose = (/** @type {string} */ label, /** @type {string} */ key, /** @type {string} */ value, /** @type {boolean} */ none = false) => html`<label class="check">${label} <select value=${value} onChange=${(/** @type {any} */ e) => setQuery({ [key]: e.target.value || null })}>${none && html`<option value="">none</option>`}${all.map(name => html`<option value=${name} selected=${name === value}>${title(name)}</option>`)}</select></label>`;
  return html`<div class="bar">${choose('across', 'sx', x)}${choose('up', 'sy', y)}${choose('colour', 'sc', hue, true)}${choose('size', 'ss', size, true)}</div>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${wanted.every(name => data.columns.has(name)) && html`<${Drawing} data=${data} rows=${rows} x=${x} y=${y} hue=${hue} size=${size} filter=${filter} />`}`;
}

/** @param {{ data: any, rows: number[], x: string, y: string, hue: string, size: string, filter: string }} props */
function Drawing({ data, rows, x, y, hue, size, filter }) {
  const canvas = useRef(/** @type {any} */ (null));
  const [wide, setWide] = useState(0);
  const [hover, setHover] = useState(/** @type {any} */ (null));
  const [box, setBox] = useState(/** @type {number[] | null} */ (null));
  const [at, setAt] = useState(-1);
  const [ax, ay, ac, as] = [x, y, hue, size].map(name => (name ? axisOf(data, name) : null));
  const { query } = route.value;
  const logs = ['x', 'y'].map((_, i) => {
    const axis = /** @type {any} */ (i ? ay : ax);
    const asked = query.get(i ? 'ly' : 'lx');
    const may = axis.numeric && rows.some(row => axis.of(row) > 0);
    return may && (asked ? asked === '1' : axis.name !== 'attribute.start_time' && suitsLog(rows.map(axis.of)));
  });
  const has = (/** @type {any} */ axis, /** @type {number} */ row, /** @type {boolean} */ log = false) => (axis.numeric ? Number.isFinite(axis.of(row)) && (!log || axis.of(row) > 0) : axis.of(row) !== '');
  const drawn = rows.filter(row => has(ax, row, logs[0]) && has(ay, row, logs[1]));
  const type = (/** @type {any} */ axis, /** @type {boolean} */ log) => ({ type: log ? 'log' : axis.name === 'attribute.start_time' ? 'date' : axis.numeric ? 'linear' : 'category', tell: format.time });
  const scales = wide ? [scale(drawn.map(/** @type {any} */ (ax).of), type(ax, logs[0]), LEFT, wide - 16), scale(drawn.map(/** @type {any} */ (ay).of), type(ay, logs[1]), HIGH - FOOT, TOP)] : null;
  const span = (/** @type {any} */ axis) => {
    const values = axis.numeric ? drawn.map(axis.of).filter(Number.isFinite) : [];
    return values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  };
  const [sizes, hues] = [as && span(as), ac && span(ac)];
  const kinds = ac && !ac.numeric ? [...new Set(drawn.map(ac.of))].sort() : [];
  const numbers = new Map(kinds.map((kind, i) => [kind, i]));
  const colourOf = (/** @type {number} */ row) => (!ac ? format.colour(data.ids[row]) : !ac.numeric ? format.COLOURS[(numbers.get(ac.of(row)) ?? 0) % format.COLOURS.length] : Number.isFinite(ac.of(row)) && hues ? ramp(hues[1] > hues[0] ? (ac.of(row) - hues[0]) / (hues[1] - hues[0]) : 0.5) : '#888');
  const radius = (/** @type {number} */ row) => (as && sizes && sizes[1] > sizes[0] && Number.isFinite(as.of(row)) ? 3 + 9 * Math.sqrt((as.of(row) - sizes[0]) / (sizes[1] - sizes[0])) : drawn.length > 2000 ? 2.5 : 4.5);
  const place = (/** @type {number} */ row) => /** @type {[number, number]} */ (scales ? [scales[0].at(/** @type {any} */ (ax).of(row)), scales[1].at(/** @type {any} */ (ay).of(row))] : [NaN, NaN]);
  useEffect(() => {
    const seen = new ResizeObserver(() => setWide(canvas.current?.parentElement.clientWidth ?? 0));
    seen.observe(canvas.current.parentElement);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    if (!scales || !canvas.current) return;
    const context = canvas.current.getContext('2d');
    const ratio = devicePixelRatio;
    canvas.current.width = wide * ratio;
    canvas.current.height = HIGH * ratio;
    context.scale(ratio, ratio);
    const look = getComputedStyle(canvas.current);
    context.font = '11px system-ui, sans-serif';
    const lines = look.getPropertyValue('border-top-color');
    context.strokeStyle = lines;
    context.fillStyle = look.color;
    context.textAlign = 'center';
    for (const [value, text] of scales[0].ticks) {
      const px = scales[0].at(value);
      if (!(px >= LEFT - 1 && px <= wide - 15)) continue;
      context.beginPath();
      context.moveTo(px, TOP);
      context.lineTo(px, HIGH - FOOT);
      context.stroke();
      context.fillText(text.slice(0, 16), px, HIGH - FOOT + 16);
    }
    context.textAlign = 'right';
    for (const [value, text] of scales[1].ticks) {
      const py = scales[1].at(value);
      if (!(py >= TOP - 1 && py <= HIGH - FOOT + 1)) continue;
      context.beginPath();
      context.moveTo(LEFT, py);
      context.lineTo(wide - 16, py);
      context.stroke();
      context.fillText(text.slice(0, 10), LEFT - 6, py + 4);
    }
    context.textAlign = 'center';
    context.fillText(title(x), (LEFT + wide) / 2, HIGH - 8);
    context.globalAlpha = drawn.length > 500 ? 0.65 : 0.9;
    for (const row of drawn) {
      const [px, py] = place(row);
      context.fillStyle = colourOf(row);
      context.beginPath();
      context.arc(px, py, radius(row), 0, 7);
      context.fill();
    }
  });
  const nearest = (/** @type {number} */ px, /** @type {number} */ py) => {
    let [found, least] = [-1, NEAR * NEAR];
    for (const row of drawn) {
      const [qx, qy] = place(row);
      const away = (qx - px) ** 2 + (qy - py) ** 2;
      if (away < least) [found, least] = [row, away];
    }
    return found;
  };
  const inside = box ? drawn.filter(row => {
    const [px, py] = place(row);
    return px >= Math.min(box[0], box[2]) && px <= Math.max(box[0], box[2]) && py >= Math.min(box[1], box[3]) && py <= Math.max(box[1], box[3]);
  }) : [];
  const toFilter = () => {
    const parts = [ax, ay].flatMap((/** @type {any} */ axis) => {
      if (!axis.numeric || !axis.name.startsWith('metric.')) return [];
      const values = inside.map(axis.of);
      return [condition(axis.name, '>=', Math.min(...values)), condition(axis.name, '<=', Math.max(...values))];
    });
    setQuery({ filter: [filter.trim(), ...parts].filter(Boolean).join(' and ') });
    setBox(null);
  };
  const offset = (/** @type {any} */ e) => {
    const { left, top } = canvas.current.getBoundingClientRect();
    return [e.clientX - left, e.clientY - top];
  };
  const { n, r } = /** @type {any} */ (ax).numeric && /** @type {any} */ (ay).numeric ? correlation(drawn, /** @type {any} */ (ax).of, /** @type {any} */ (ay).of) : { n: 0, r: NaN };
  const shown = hover?.row ?? (at >= 0 ? drawn[at] : undefined);
  const text = (/** @type {any} */ axis, /** @type {number} */ row) => (axis.name === 'attribute.start_time' ? format.time(axis.of(row)) : axis.numeric ? format.number(axis.of(row)) : axis.of(row) || '–');
  return html`<p class="dim small">${format.count(drawn.length)} of ${format.count(rows.length)} runs have both${Number.isFinite(r) ? ` · rank correlation ${short(r)} of ${format.count(n)} runs` : ''} ${' '}
      ${/** @type {any} */ (ax).numeric && html`<label class="check"><input type="checkbox" checked=${logs[0]} onChange=${(/** @type {any} */ e) => setQuery({ lx: e.target.checked ? '1' : '0' })} />log across</label>`} ${/** @type {any} */ (ay).numeric && html`<label class="check"><input type="checkbox" checked=${logs[1]} onChange=${(/** @type {any} */ e) => setQuery({ ly: e.target.checked ? '1' : '0' })} />log up</label>`}</p>
    <div class="scatter"><canvas ref=${canvas} style=${{ width: `${wide}px`, height: `${HIGH}px` }} tabindex="0" role="img" aria-label=${`${title(y)} over ${title(x)} of ${drawn.length} runs${shown !== undefined ? `; ${data.names[shown]}: ${text(ax, shown)}, ${text(ay, shown)}` : ''}`}
      onPointerDown=${(/** @type {any} */ e) => {
        const [px, py] = offset(e);
        setBox([px, py, px, py]);
        e.currentTarget.setPointerCapture(e.pointerId);
      }} onPointerMove=${(/** @type {any} */ e) => {
        const [px, py] = offset(e);
        if (box && e.buttons) setBox([box[0], box[1], px, py]);
        else {
          const row = nearest(px, py);
          setHover(row < 0 ? null : { row, px, py });
        }
      }} onPointerLeave=${() => setHover(null)} onPointerUp=${(/** @type {any} */ e) => {
        if (!box || Math.abs(box[2] - box[0]) + Math.abs(box[3] - box[1]) > 6) return;
        setBox(null);
        const row = nearest(...(/** @type {[number, number]} */ (offset(e))));
        if (row >= 0) location.hash = href(['experiments', data.text('experiment', row), 'runs', data.ids[row]]).slice(1);
      }} onKeyDown=${(/** @type {any} */ e) => {
        const step = /** @type {Record<string, number>} */ ({ ArrowRight: 1, ArrowLeft: -1 })[e.key];
        if (step) setAt((at + step + drawn.length) % drawn.length);
        else if (e.key === 'Escape') setBox(null);
        else if (e.key === 'Enter' && at >= 0) location.hash = href(['experiments', data.text('experiment', drawn[at]), 'runs', data.ids[drawn[at]]]).slice(1);
        else return;
        e.preventDefault();
      }}></canvas>
      ${shown !== undefined && scales && html`<span class="ring" style=${{ left: `${place(shown)[0] - 8}px`, top: `${place(shown)[1] - 8}px` }}></span><p class="point" role="status" style=${{ left: `${Math.min(place(shown)[0] + 12, wide - 230)}px`, top: `${place(shown)[1] + 10}px` }}><strong dir="auto">${data.names[shown]}</strong><br />${[ax, ay, ac, as].filter(Boolean).map((/** @type {any} */ axis) => html`${title(axis.name)}: ${text(axis, shown)}<br />`)}</p>`}
      ${box && html`<span class="brush-box" style=${{ left: `${Math.min(box[0], box[2])}px`, top: `${Math.min(box[1], box[3])}px`, width: `${Math.abs(box[2] - box[0])}px`, height: `${Math.abs(box[3] - box[1])}px` }}></span>`}</div>
    ${inside.length > 0 && html`<p>${format.count(inside.length)} runs in the box. ${[ax, ay].some((/** @type {any} */ axis) => axis.name.startsWith('metric.')) && html`<button onClick=${toFilter}>filter by it</button>`} <button class="quiet" onClick=${() => go(inside)} disabled=${inside.length < 2}>compare them</button> <button class="quiet" onClick=${() => setBox(null)}>leave it</button></p>`}
    ${kinds.length > 0 && html`<ul class="legend">${kinds.slice(0, 30).map((kind, i) => html`<li><span class="dot" style=${{ background: format.COLOURS[i % format.COLOURS.length] }}></span><span dir="auto">${kind || '–'}</span></li>`)}</ul>`}
    ${hues && Number.isFinite(hues[0]) && html`<p class="legend small">${title(hue)}: ${format.number(hues[0])} ${[0, 0.2, 0.4, 0.6, 0.8, 1].map(v => html`<span class="swatch" style=${{ background: ramp(v) }}></span>`)} ${format.number(hues[1])}</p>`}`;
  /** @param {number[]} picked */
  function go(picked) {
    location.hash = href(['compare'], { runs: picked.slice(0, 500).map(row => data.ids[row]).join(',') }).slice(1);
  }
}
