/** Curves as they come: points, or bins that hold the least and greatest of each stretch. */
import { ask, decode } from '../lib/api.js';

/**
 * @typedef {object} Curve
 * @property {string} run
 * @property {number} count   All points there are.
 * @property {boolean} binned
 * @property {number} low   Where the drawing begins.
 * @property {number} high  And ends.
 * @property {Float64Array} x
 * @property {Float64Array} mean  Of points, their values.
 * @property {Float64Array} [least]
 * @property {Float64Array} [most]
 * @property {Float64Array} [last]
 * @property {Uint32Array} [counts]
 * @property {Uint32Array} [odd]
 * @property {Uint32Array} [bins]
 */

/**
 * @param {string[]} runs @param {string} key @param {string} x @param {[number, number] | null} zoom
 * @param {number} bins @param {AbortSignal} [signal]
 * @returns {Promise<Curve[]>}
 */
export async function fetchCurves(runs, key, x, zoom, bins, signal) {
  /** @type {[string, string][]} */
  const asked = [['key', key], ['x', x], ['bins', String(bins)], ...runs.map(run => /** @type {[string, string]} */ (['run', run]))];
  if (zoom) asked.push(['from', String(zoom[0])], ['to', String(zoom[1])]);
  const data = await (await ask('series', asked, signal)).arrayBuffer();
  const view = new DataView(data);
  const curves = [];
  for (let at = 0; at < data.byteLength; ) {
    const length = view.getUint32(at, true);
    // A copy, so that numbers lie where typed arrays want them.
    const { header, buffers } = decode(data.slice(at + 4, at + 4 + length));
    at += 4 + length;
    const binned = header.kind === 'bins';
    const [places, mean, least, most, last, counts, odd, bins] = buffers;
    curves.push({ run: header.run, count: header.count, binned, low: header.low, high: header.high, x: places, mean, ...(binned ? { least, most, last, counts, odd, bins } : {}) });
  }
  return curves;
}

/**
 * Curves over one another: all their places, and for each the values there. A place that a curve
 * does not have is undefined, so that its line goes on; a gap is null.
 * @param {Curve[]} curves @param {(curve: Curve) => (Float64Array | undefined)[]} columns
 */
export function align(curves, columns) {
  const places = new Set();
  for (const curve of curves) for (const place of curve.x) places.add(place);
  const x = Float64Array.from(/** @type {Set<number>} */ (places)).sort();
  const number = new Map();
  x.forEach((place, i) => number.set(place, i));
  const aligned = curves.map(curve => {
    const at = Array.from(curve.x, place => number.get(place));
    return columns(curve).map(values => {
      if (!values) return null;
      /** @type {(number | null | undefined)[]} */
      const made = new Array(x.length);
      for (let i = 0; i < values.length; i++) made[at[i]] = Number.isFinite(values[i]) ? values[i] : null;
      // A bin without points between two that have some is a gap.
      if (curve.bins) for (let i = 1; i < at.length; i++) if (curve.bins[i] - curve.bins[i - 1] > 1 && at[i] - at[i - 1] > 1) made[at[i - 1] + 1] ??= null;
      return made;
    });
  });
  return { x, aligned };
}

/**
 * An exponential average over x, corrected at its start, weighted by the points in each bin.
 * @param {Curve} curve @param {number} halfLife In units of x.
 */
export function smooth(curve, halfLife) {
  const { x, mean, counts, odd } = curve;
  const made = new Float64Array(x.length).fill(NaN);
  let sum = 0;
  let weight = 0;
  let before = NaN;
  for (let i = 0; i < x.length; i++) {
    if (!Number.isFinite(mean[i])) continue;
    const decay = Number.isNaN(before) ? 1 : 0.5 ** ((x[i] - before) / halfLife);
    const points = counts && odd ? counts[i] - odd[i] : 1;
    sum = sum * decay + mean[i] * points;
    weight = weight * decay + points;
    made[i] = sum / weight;
    before = x[i];
  }
  return made;
}

/** Where a curve was not finite. @param {Curve} curve @returns {{ x: number, count: number }[]} */
export function oddities(curve) {
  const found = [];
  for (let i = 0; i < curve.x.length; i++) {
    const count = curve.odd ? curve.odd[i] : Number.isFinite(curve.mean[i]) ? 0 : 1;
    if (count) found.push({ x: curve.x[i], count });
  }
  return found;
}
