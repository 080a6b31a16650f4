/** Figures as Plotly writes them (`data`, `layout`), drawn as SVG: nothing of them is run. */
import { html, useState } from '../vendor/preact.js';
import { COLOURS } from '../lib/format.js';
import { array, colourOf, titleOf } from './arrays.js';
import { scale, short } from './scales.js';

const WIDE = 720;
const HIGH = 440;
const MOST = 20_000;
const DASHES = /** @type {Record<string, string>} */ ({ dash: '7 5', dot: '2 4', dashdot: '7 4 2 4', longdash: '12 6', longdashdot: '12 5 2 5' });
const KNOWN = new Set(['scatter', 'scattergl', 'bar', 'histogram', 'heatmap', 'box', 'pie']);

/** Any axis of a figure that has several is drawn on the first ones. @param {any} trace */
const kindOf = trace => (typeof trace.type === 'string' ? trace.type : 'scatter');

/** @param {{ figure: any }} props */
export function Figure({ figure }) {
  const [asTable, setAsTable] = useState(false);
  const [hover, setHover] = useState(/** @type {null | { x: number, y: number, text: string }} */ (null));
  const traces = figure.data.slice(0, 60);
  const unknown = [...new Set(traces.map(kindOf).filter((/** @type {string} */ kind) => !KNOWN.has(kind)))];
  const drawn = traces.filter((/** @type {any} */ trace) => KNOWN.has(kindOf(trace)) && trace.visible !== false);
  const layout = figure.layout && typeof figure.layout === 'object' ? figure.layout : {};
  const title = titleOf(layout.title);
  return html`<figure class="figure">
    ${title && html`<figcaption dir="auto">${title}</figcaption>`}
    ${unknown.length > 0 && html`<p class="reason">Not drawn, but in the JSON: traces of type ${unknown.join(', ')}.</p>`}
    ${figure.data.length > 60 && html`<p class="dim">60 of ${figure.data.length} traces are drawn.</p>`}
    ${asTable ? html`<${Values} traces=${drawn} />` : drawn.length > 0 && html`<${Drawing} traces=${drawn} layout=${layout} title=${title} hover=${hover} setHover=${setHover} />`}
    <p><button class="quiet small" aria-pressed=${asTable} onClick=${() => setAsTable(!asTable)}>${asTable ? 'as a figure' : 'as a table'}</button></p>
  </figure>`;
}

/** @param {{ traces: any[] }} props */
function Values({ traces }) {
  return html`<div class="scroll boxed" tabindex="0">${traces.map((trace, i) => {
    const [x, y, z] = [array(trace.x ?? trace.labels), array(trace.y ?? trace.values), array(trace.z)];
    if (z.length) return html`<table class="list"><caption>${nameOf(trace, i)}</caption><thead><tr><th></th>${z[0].map((/** @type {any} */ _, /** @type {number} */ c) => html`<th>${x[c] ?? c}</th>`)}</tr></thead><tbody>${z.map((row, r) => html`<tr><th scope="row">${y[r] ?? r}</th>${row.map((/** @type {any} */ v) => html`<td class="number">${v}</td>`)}</tr>`)}</tbody></table>`;
    const count = Math.max(x.length, y.length);
    return html`<table class="list"><caption>${nameOf(trace, i)}${count > 500 ? `, 500 of ${count}` : ''}</caption><thead><tr><th>x</th><th>y</th></tr></thead><tbody>${Array.from({ length: Math.min(500, count) }, (_, at) => html`<tr><td class="number">${x[at] ?? at}</td><td class="number">${y[at] ?? ''}</td></tr>`)}</tbody></table>`;
  })}</div>`;
}

/** @param {any} trace @param {number} i */
const nameOf = (trace, i) => titleOf(trace.name) || `trace ${i}`;

/** @param {any[]} given */
function histogram(given) {
  const values = given.map(Number).filter(Number.isFinite);
  if (!values.length) return { x: [], y: [] };
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) [low, high] = [Math.min(low, v), Math.max(high, v)];
  const bins = Math.max(1, Math.min(50, Math.ceil(Math.sqrt(values.length))));
  const width = (high - low) / bins || 1;
  const counts = Array(bins).fill(0);
  for (const v of values) counts[Math.min(bins - 1, Math.floor((v - low) / width))]++;
  return { x: counts.map((_, i) => low + (i + 0.5) * width), y: counts };
}

/** @param {{ traces: any[], layout: any, title: string, hover: any, setHover: (h: any) => void }} props */
function Drawing({ traces, layout, title, hover, setHover }) {
  if (kindOf(traces[0]) === 'pie') return html`<${Pie} trace=${traces[0]} title=${title} />`;
  const series = traces.map((trace, i) => {
    const kind = kindOf(trace);
    let [x, y, z] = [array(trace.x), array(trace.y), array(trace.z)];
    const sideways = trace.orientation === 'h';
    if (kind === 'histogram') {
      const of = x.length ? x : y;
      const texts = of.some(v => typeof v === 'string' && !Number.isFinite(Number(v)));
      if (texts) {
        const counted = new Map();
        for (const v of of) counted.set(v, (counted.get(v) ?? 0) + 1);
        [x, y] = [[...counted.keys()], [...counted.values()]];
      } else ({ x, y } = histogram(of));
    } else if (kind === 'heatmap') {
      if (!x.length) x = Array.from({ length: z[0]?.length ?? 0 }, (_, at) => at);
      if (!y.length) y = Array.from({ length: z.length }, (_, at) => at);
    } else if (kind === 'box') {
      if (!x.length) x = y.map(() => nameOf(trace, i));
    } else if (!x.length && y.length && !sideways) {
      const from = Number(trace.x0 ?? 0);
      x = y.map((_, at) => from + at * Number(trace.dx ?? 1));
    } else if (!y.length && x.length) y = x.map((_, at) => at);
    const colour = colourOf(trace.line?.color ?? trace.marker?.color, COLOURS[i % COLOURS.length]);
    return { trace, kind, x, y, z, sideways, colour, name: nameOf(trace, i) };
  });
  const bars = series.filter(one => one.kind === 'bar' || one.kind === 'histogram');
  const boxed = series.some(one => one.kind === 'heatmap' || one.kind === 'box');
  const sideways = bars.some(one => one.sideways);
  const legend = series.filter(one => one.trace.showlegend !== false && (series.length > 1 || one.trace.showlegend) && one.kind !== 'heatmap');
  const allX = series.flatMap(one => one.x);
  const allY = series.flatMap(one => one.y);
  const shapes = Array.isArray(layout.shapes) ? layout.shapes.slice(0, 200) : [];
  const [xa, ya] = [layout.xaxis ?? {}, layout.yaxis ?? {}];
  const longest = Math.max(0, ...allY.filter(v => typeof v === 'string').map(v => v.length));
  const left = titleOf(ya.title) || longest ? Math.min(200, 46 + Math.max(18, longest * 6.4)) : 58;
  const bottom = HIGH - 52;
  const banded = bars.length > 0 || boxed;
  const sx = scale(allX, xa, left, WIDE - 16, { zero: sideways, band: banded && !sideways, pad: !boxed });
  const sy = scale(allY, ya, bottom, 14, { zero: bars.length > 0 && !sideways, band: sideways || series.some(one => one.kind === 'heatmap') });
  const point = (/** @type {any} */ x, /** @type {any} */ y, /** @type {string} */ text) => ({
    onMouseEnter: () => setHover({ x: sx.at(x), y: sy.at(y), text }),
    onMouseLeave: () => setHover(null),
  });
  return html`<svg viewBox=${`0 0 ${WIDE} ${HIGH}`} role="img" aria-label=${`${title || 'figure'}: ${series.map(one => one.name).join(', ')}`}>
    <g class="grid-lines">
      ${sx.ticks.map(([v, text]) => html`<g><line x1=${sx.at(v)} x2=${sx.at(v)} y1="14" y2=${bottom} /><text x=${sx.at(v)} y=${bottom + 18} text-anchor="middle">${cut(text, 16)}</text></g>`)}
      ${sy.ticks.map(([v, text]) => html`<g><line x1=${left} x2=${WIDE - 16} y1=${sy.at(v)} y2=${sy.at(v)} /><text x=${left - 8} y=${sy.at(v) + 4} text-anchor="end">${cut(text, 26)}</text></g>`)}
      <text class="axis" x=${(left + WIDE) / 2} y=${HIGH - 10} text-anchor="middle">${titleOf(xa.title)}</text>
      <text class="axis" transform=${`translate(14 ${bottom / 2}) rotate(-90)`} text-anchor="middle">${titleOf(ya.title)}</text>
    </g>
    <svg x="0" y="0" width=${WIDE} height=${HIGH}>
    ${shapes.map((/** @type {any} */ shape) => html`<${Shape} shape=${shape} sx=${sx} sy=${sy} box=${[left, 14, WIDE - 16, bottom]} />`)}
    ${series.map(one => {
      if (one.kind === 'heatmap') return html`<${Heat} one=${one} sx=${sx} sy=${sy} point=${point} />`;
      if (one.kind === 'box') return html`<${Box} one=${one} sx=${sx} sy=${sy} point=${point} />`;
      if (bars.includes(one)) return html`<${Bars} one=${one} at=${bars.indexOf(one)} of=${layout.barmode === 'overlay' || layout.barmode === 'stack' ? 1 : bars.length} sx=${sx} sy=${sy} point=${point} />`;
      return html`<${Curve} one=${one} sx=${sx} sy=${sy} point=${point} />`;
    })}
    </svg>
    ${(Array.isArray(layout.annotations) ? layout.annotations.slice(0, 200) : []).map((/** @type {any} */ note) => {
      const [x, y] = [sx.at(note.x), sy.at(note.y)];
      return Number.isFinite(x) && Number.isFinite(y) && html`<text class="annotation" x=${x} y=${y} text-anchor="middle" dominant-baseline="middle">${cut(titleOf(note.text), 60)}</text>`;
    })}
    ${hover && Number.isFinite(hover.x) && html`<g class="hover" pointer-events="none" transform=${`translate(${Math.min(hover.x + 10, WIDE - 12 - hover.text.length * 6.6)} ${Math.max(26, hover.y - 12)})`}><rect x="-5" y="-14" rx="4" height="20" width=${hover.text.length * 6.6 + 10} /><text>${hover.text}</text></g>`}
  </svg>
  ${legend.length > 0 && html`<ul class="legend">${legend.map(one => html`<li><svg width="26" height="10" aria-hidden="true"><line x1="1" x2="25" y1="5" y2="5" stroke=${one.colour} stroke-width="2.5" stroke-dasharray=${DASHES[one.trace.line?.dash] ?? 'none'} /></svg><span dir="auto">${one.name}</span></li>`)}</ul>`}`;
}

/** @param {string} text @param {number} most */
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** @param {any} props */
function Curve({ one: { trace, x, y, colour, name }, sx, sy, point }) {
  const mode = typeof trace.mode === 'string' ? trace.mode : x.length > 30 ? 'lines' : 'lines+markers';
  let path = '';
  let pen = false;
  /** @type {[number, number, any, any][]} */
  const dots = [];
  for (let i = 0; i < Math.min(x.length, y.length, MOST); i++) {
    const [px, py] = [sx.at(x[i]), sy.at(y[i])];
    if (!Number.isFinite(px) || !Number.isFinite(py)) {
      pen = Boolean(trace.connectgaps) && pen;
      continue;
    }
    const bend = trace.line?.shape === 'hv' && pen ? `H${px.toFixed(1)}V${py.toFixed(1)}` : `${pen ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`;
    path += bend;
    pen = true;
    dots.push([px, py, x[i], y[i]]);
  }
  const few = dots.length <= 500 ? dots : dots.filter((_, i) => i % Math.ceil(dots.length / 500) === 0);
  const size = Math.min(12, Math.max(1.5, Number(trace.marker?.size) / 2 || 3));
  return html`<g>
    ${mode.includes('lines') && html`<path d=${path} fill="none" stroke=${colour} stroke-width=${Math.min(8, Number(trace.line?.width) || 2)} stroke-dasharray=${DASHES[trace.line?.dash] ?? 'none'} stroke-linejoin="round" />`}
    ${mode.includes('markers') && (dots.length > 5000 ? few : dots).map(([px, py]) => html`<circle cx=${px} cy=${py} r=${size} fill=${colour} />`)}
    ${few.map(([px, py, vx, vy]) => html`<circle cx=${px} cy=${py} r="7" fill="transparent" ...${point(vx, vy, `${name}: ${shown(vx)}, ${shown(vy)}`)} />`)}
  </g>`;
}

/** @param {any} v */
const shown = v => (typeof v === 'number' ? short(v) : String(v));

/** @param {any} props */
function Bars({ one: { trace, x, y, sideways, colour, name }, at, of, sx, sy, point }) {
  const colours = array(trace.marker?.color);
  const thick = ((sideways ? sy.band : sx.band) * 0.84) / of;
  return html`<g>${x.slice(0, 2000).map((/** @type {any} */ v, /** @type {number} */ i) => {
    const shift = -thick * of / 2 + thick * at;
    const [px, py] = [sx.at(v), sy.at(y[i])];
    const fill = colourOf(colours[i], colour);
    const [zx, zy] = [sx.at(0), sy.at(0)];
    if (!Number.isFinite(px) || !Number.isFinite(py)) return null;
    const box = sideways
      ? { x: Math.min(px, zx), y: py + shift, width: Math.abs(px - zx), height: thick }
      : { x: px + shift, y: Math.min(py, zy), width: thick, height: Math.abs(zy - py) };
    return html`<rect ...${box} fill=${fill} rx="1" ...${point(v, y[i], `${name}: ${shown(v)}, ${shown(y[i])}`)} />`;
  })}</g>`;
}

/** Blues, from nothing to much. @param {number} share */
function heat(share) {
  const from = [239, 243, 255];
  const to = [24, 62, 158];
  const bend = Math.sqrt(Math.max(0, Math.min(1, share)));
  return `rgb(${from.map((v, i) => Math.round(v + (to[i] - v) * bend)).join(' ')})`;
}

/** @param {any} props */
function Heat({ one: { trace, x, y, z }, sx, sy, point }) {
  const flat = z.flat().map(Number).filter(Number.isFinite);
  let [low, high] = [Infinity, -Infinity];
  for (const v of flat) [low, high] = [Math.min(low, v), Math.max(high, v)];
  if (z.length * (z[0]?.length ?? 0) > MOST) return html`<text x="80" y="60">too many cells to draw</text>`;
  const texts = z.length * (z[0]?.length ?? 0) <= 225;
  const labels = array(trace.text);
  return html`<g>${z.map((/** @type {any[]} */ row, /** @type {number} */ r) => row.map((v, c) => {
    const share = (v - low) / (high - low || 1);
    const [px, py] = [sx.at(x[c]), sy.at(y[r])];
    if (!Number.isFinite(px) || !Number.isFinite(py)) return null;
    return html`<g ...${point(x[c], y[r], `${shown(x[c])}, ${shown(y[r])}: ${shown(v)}`)}><rect x=${px - sx.band / 2} y=${py - sy.band / 2} width=${sx.band} height=${sy.band} fill=${v === null ? 'none' : heat(share)} />${texts && html`<text x=${px} y=${py + 4} text-anchor="middle" fill=${share > 0.35 ? '#fff' : '#15181f'} class="in-cell">${cut(String(labels[r]?.[c] ?? shown(v)), 10)}</text>`}</g>`;
  }))}</g>`;
}

/** @param {number[]} sorted @param {number} share */
function quantile(sorted, share) {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + ((sorted[low + 1] ?? sorted[low]) - sorted[low]) * (at - low);
}

/** @param {any} props */
function Box({ one: { x, y, colour, name }, sx, sy, point }) {
  const groups = new Map();
  x.forEach((/** @type {any} */ v, /** @type {number} */ i) => groups.set(v, [...(groups.get(v) ?? []), Number(y[i])]));
  return html`<g>${[...groups].map(([v, given]) => {
    const sorted = given.filter(Number.isFinite).sort((/** @type {number} */ a, /** @type {number} */ b) => a - b);
    if (!sorted.length) return null;
    const [q1, q2, q3] = [0.25, 0.5, 0.75].map(share => quantile(sorted, share));
    const reach = 1.5 * (q3 - q1);
    const inside = sorted.filter((/** @type {number} */ n) => n >= q1 - reach && n <= q3 + reach);
    const [low, high] = [inside[0], inside[inside.length - 1]];
    const px = sx.at(v);
    const half = Math.min(40, sx.band * 0.3);
    return html`<g stroke=${colour} fill="none" ...${point(v, q2, `${name}: median ${short(q2)}, quarters ${short(q1)} to ${short(q3)}, n = ${sorted.length}`)}>
      <line x1=${px} x2=${px} y1=${sy.at(low)} y2=${sy.at(high)} /><rect x=${px - half} width=${half * 2} y=${sy.at(q3)} height=${Math.abs(sy.at(q1) - sy.at(q3))} fill=${colour} fill-opacity="0.25" /><line x1=${px - half} x2=${px + half} y1=${sy.at(q2)} y2=${sy.at(q2)} stroke-width="2" />
      ${sorted.filter((/** @type {number} */ n) => n < low || n > high).slice(0, 500).map((/** @type {number} */ n) => html`<circle cx=${px} cy=${sy.at(n)} r="2.5" />`)}</g>`;
  })}</g>`;
}

/** @param {any} props */
function Shape({ shape, sx, sy, box: [left, top, right, bottom] }) {
  const x = (/** @type {any} */ v) => (/paper|domain/.test(shape.xref ?? '') ? left + Number(v) * (right - left) : sx.at(v));
  const y = (/** @type {any} */ v) => (/paper|domain/.test(shape.yref ?? '') ? bottom - Number(v) * (bottom - top) : sy.at(v));
  const ends = [x(shape.x0), y(shape.y0), x(shape.x1), y(shape.y1)];
  if (!ends.every(Number.isFinite)) return null;
  const look = { stroke: colourOf(shape.line?.color, 'currentColor'), 'stroke-width': Math.min(6, Number(shape.line?.width) || 1.5), 'stroke-dasharray': DASHES[shape.line?.dash] ?? 'none' };
  if (shape.type === 'line') return html`<line x1=${ends[0]} y1=${ends[1]} x2=${ends[2]} y2=${ends[3]} ...${look} />`;
  const box = { x: Math.min(ends[0], ends[2]), y: Math.min(ends[1], ends[3]), width: Math.abs(ends[0] - ends[2]), height: Math.abs(ends[1] - ends[3]) };
  return html`<rect ...${box} ...${look} rx=${shape.type === 'circle' ? Math.min(box.width, box.height) / 2 : 0} fill=${colourOf(shape.fillcolor, 'none')} fill-opacity=${Number(shape.opacity) || 0.3} />`;
}

/** @param {{ trace: any, title: string }} props */
function Pie({ trace, title }) {
  const values = array(trace.values).map(v => Math.max(0, Number(v) || 0));
  const labels = array(trace.labels);
  const sum = values.reduce((a, b) => a + b, 0) || 1;
  let turned = 0;
  return html`<svg viewBox="0 0 720 320" role="img" aria-label=${title || 'pie'}>${values.slice(0, 60).map((value, i) => {
    const from = turned;
    turned += (value / sum) * 2 * Math.PI;
    const [x0, y0, x1, y1] = [Math.sin(from), -Math.cos(from), Math.sin(Math.min(turned, from + 6.2831)), -Math.cos(Math.min(turned, from + 6.2831))].map(v => v * 140);
    const mid = (from + turned) / 2;
    return html`<g transform="translate(200 160)"><path d=${`M0 0L${x0} ${y0}A140 140 0 ${turned - from > Math.PI ? 1 : 0} 1 ${x1} ${y1}Z`} fill=${COLOURS[i % COLOURS.length]} stroke="var(--page)" />${value / sum > 0.05 && html`<text x=${Math.sin(mid) * 95} y=${-Math.cos(mid) * 95} text-anchor="middle" fill="#fff">${Math.round((value / sum) * 100)} %</text>`}</g>`;
  })}</svg><ul class="legend">${values.slice(0, 60).map((value, i) => html`<li><span class="dot" style=${{ background: COLOURS[i % COLOURS.length] }}></span>${String(labels[i] ?? i)}: ${value}</li>`)}</ul>`;
}
