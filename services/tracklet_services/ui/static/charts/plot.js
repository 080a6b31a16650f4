/** A line chart over uPlot: bands from least to greatest, marks for what is not finite. */
import uPlot from '../vendor/uplot.js';
import * as format from '../lib/format.js';
import { align, oddities, smooth } from './data.js';

/** @typedef {import('./data.js').Curve} Curve */

/** @param {string} hex @param {string} alpha */
const faint = (hex, alpha) => hex + alpha;

const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

/** How a run's line is drawn beside the colour, for who does not tell colours apart. @param {number} i */
const dashOf = i => DASHES[Math.floor(i / 6) % DASHES.length];

/** @param {HTMLElement} at @param {string} name */
const css = (at, name) => {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  at.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
};

/**
 * @typedef {object} Look
 * @property {string} x  step, time or wall
 * @property {boolean} log
 * @property {number} half  The half-life of smoothing, in parts of the span; 0 is none.
 * @property {[number, number] | null} zoom
 */

export class Plot {
  /**
   * @param {HTMLElement} host
   * @param {(zoom: [number, number] | null) => void} onZoom
   * @param {(place: number | null, values: { run: string, value: number }[]) => void} onHover
   */
  constructor(host, onZoom, onHover) {
    this.host = host;
    this.onZoom = onZoom;
    this.onHover = onHover;
    /** @type {any} */
    this.plot = null;
    /** @type {{ run: string, at: number }[]} */
    this.lines = [];
  }

  destroy() {
    this.plot?.destroy();
    this.plot = null;
  }

  /** @param {number} width */
  resize(width) {
    if (this.plot && Math.abs(this.plot.width - width) > 1) this.plot.setSize({ width, height: this.plot.height });
  }

  /** @param {Curve[]} curves @param {Look} look @param {number} width @param {number} height */
  draw(curves, look, width, height) {
    const { half, log } = look;
    const span = curves.reduce((most, { x }) => Math.max(most, x.length ? x[x.length - 1] - x[0] : 0), 0);
    const positive = (/** @type {Float64Array | undefined} */ values) => (log && values ? values.map(v => (v > 0 ? v : NaN)) : values);
    const { x, aligned } = align(curves, curve => [
      positive(curve.least),
      positive(curve.most),
      half ? positive(curve.mean) : undefined,
      positive(half ? smooth(curve, half * span) : curve.mean),
    ]);
    const data = [look.x === 'wall' ? x.map(v => v / 1000) : x];
    const series = [/** @type {any} */ ({})];
    const bands = [];
    this.lines = [];
    curves.forEach((curve, i) => {
      const colour = format.colour(curve.run);
      const [least, most, raw, line] = aligned[i];
      // The edges are drawn, too: the band of a single spike is thinner than a pixel.
      const quiet = { points: { show: false }, width: 1, stroke: faint(colour, '80') };
      if (least && most) {
        series.push({ ...quiet }, { ...quiet });
        data.push(/** @type {any} */ (most), /** @type {any} */ (least));
        bands.push({ series: [series.length - 2, series.length - 1], fill: faint(colour, curves.length > 12 ? '1a' : '38') });
      }
      if (raw) {
        series.push({ stroke: faint(colour, '55'), width: 1, points: { show: false } });
        data.push(/** @type {any} */ (raw));
      }
      series.push({ stroke: colour, width: 1.6, dash: dashOf(i), points: { show: curve.x.length === 1 || undefined, size: 5, fill: colour } });
      data.push(/** @type {any} */ (line));
      this.lines.push({ run: curve.run, at: series.length - 1 });
    });
    const ink = css(this.host, '--dim');
    const rule = css(this.host, '--line');
    const marks = curves.map(curve => ({ colour: format.colour(curve.run), at: oddities(curve) }));
    const axis = { stroke: ink, font: '11px system-ui, sans-serif', grid: { stroke: rule, width: 1 }, ticks: { stroke: rule, width: 1, size: 4 } };
    this.plot?.destroy();
    this.plot = new uPlot(
      {
        width,
        height,
        series,
        bands,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 }, sync: { key: `tracklet-${look.x}`, setSeries: false } },
        // As if that zone were this one: so the axis says what the point beside it says.
        ...(format.isUtc() ? { tzDate: (/** @type {number} */ s) => new Date(s * 1000 + new Date(s * 1000).getTimezoneOffset() * 60_000) } : {}),
        scales: { x: { time: look.x === 'wall', range: this.range(look, x) }, y: { distr: log ? 3 : 1 } },
        axes: [
          { ...axis, size: 30, ...(look.x === 'wall' ? {} : { values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(v => (look.x === 'time' ? format.duration(v * 1000) : short(v))) }) },
          { ...axis, size: 58, values: (/** @type {any} */ _, /** @type {(number | null)[]} */ ticks) => ticks.map(v => (v === null ? '' : format.number(Number(v.toPrecision(6)), 4))) },
        ],
        hooks: {
          setSelect: [
            (/** @type {any} */ u) => {
              const scale = look.x === 'wall' ? 1000 : 1;
              const [from, to] = [u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x')];
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              if (u.select.width >= 0 && to > from) this.onZoom([from * scale, to * scale]);
            },
          ],
          setCursor: [
            (/** @type {any} */ u) => {
              if (u.cursor.idx == null || u.cursor.left < 0) return this.onHover(null, []);
              this.onHover(x[u.cursor.idx], this.near(u, u.cursor.idx));
            },
          ],
          draw: [(/** @type {any} */ u) => this.mark(u, marks, look.x === 'wall' ? 1000 : 1)],
        },
      },
      data,
      this.host,
    );
    this.plot.over.addEventListener('dblclick', () => this.onZoom(null));
  }

  /** @param {Look} look @param {Float64Array} x */
  range({ zoom, x: axis }, x) {
    const scale = axis === 'wall' ? 1000 : 1;
    return () => {
      if (zoom) return [zoom[0] / scale, zoom[1] / scale];
      if (!x.length) return [0, 1];
      const [low, high] = [x[0] / scale, x[x.length - 1] / scale];
      return low === high ? [low - 0.5, high + 0.5] : [low, high];
    };
  }

  /** The value of each line at a place, or the next one before it. @param {any} u @param {number} at */
  near(u, at) {
    return this.lines.flatMap(({ run, at: line }) => {
      const values = u.data[line];
      let i = at;
      while (i > 0 && values[i] === undefined) i--;
      return values[i] == null ? [] : [{ run, value: values[i] }];
    });
  }

  /**
   * Each stretch that holds what is not finite gets a mark at the lower edge.
   * @param {any} u @param {{ colour: string, at: { x: number, count: number }[] }[]} marks @param {number} scale
   */
  mark(u, marks, scale) {
    const { ctx, bbox } = u;
    const size = 5 * devicePixelRatio;
    ctx.save();
    for (const { colour, at } of marks) {
      ctx.fillStyle = colour;
      for (const { x } of at) {
        const px = u.valToPos(x / scale, 'x', true);
        if (px < bbox.left || px > bbox.left + bbox.width) continue;
        const foot = bbox.top + bbox.height;
        ctx.beginPath();
        ctx.moveTo(px - size, foot);
        ctx.lineTo(px + size, foot);
        ctx.lineTo(px, foot - 1.6 * size);
        ctx.fill();
      }
    }
    ctx.restore();
  }
}

/** @param {number} v */
const short = v => (Math.abs(v) >= 1e6 ? `${Number((v / 1e6).toPrecision(4))} M` : Math.abs(v) >= 1e4 ? `${Number((v / 1e3).toPrecision(4))} k` : String(Number(v.toPrecision(6))));
