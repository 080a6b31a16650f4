/** Curves of several runs as one: their mean, and a band from the least to the greatest of them. */

const BINS = 200;

/**
 * @param {string} label @param {import('./data.js').Curve[]} curves Of the group's runs. @param {string} x
 * @returns {import('./data.js').Curve}
 */
export function together(label, curves, x) {
  const whole = x === 'step' && curves.every(curve => !curve.binned);
  const low = Math.min(...curves.map(curve => curve.low));
  const width = (Math.max(...curves.map(curve => curve.high)) - low) / (curves.some(curve => curve.binned) ? Math.max(BINS, ...curves.map(curve => curve.x.length)) : BINS) || 1;
  /** @type {Map<number, { runs: number, sum: number, least: number, most: number, odd: number, count: number }>} */
  const places = new Map();
  for (const { x: at, mean, least, most, counts, odd } of curves) {
    /** @type {Map<number, [sum: number, count: number]>} */
    const own = new Map();
    for (let i = 0; i < at.length; i++) {
      const key = whole ? at[i] : Math.floor((at[i] - low) / width);
      let place = places.get(key);
      if (!place) places.set(key, (place = { runs: 0, sum: 0, least: Infinity, most: -Infinity, odd: 0, count: 0 }));
      place.count += counts ? counts[i] : 1;
      place.odd += odd ? odd[i] : Number.isFinite(mean[i]) ? 0 : 1;
      if (!Number.isFinite(mean[i])) continue;
      place.least = Math.min(place.least, least ? least[i] : mean[i]);
      place.most = Math.max(place.most, most ? most[i] : mean[i]);
      const sum = own.get(key) ?? [0, 0];
      own.set(key, [sum[0] + mean[i], sum[1] + 1]);
    }
    // Each run counts as much as every other, however many points it has in a bin.
    for (const [key, [sum, count]] of own) {
      const place = /** @type {any} */ (places.get(key));
      place.runs++;
      place.sum += sum / count;
    }
  }
  const sorted = [...places].sort((a, b) => a[0] - b[0]);
  const numbers = (/** @type {(one: any, key: number) => number} */ of) => Float64Array.from(sorted, ([key, one]) => of(one, key));
  const mean = numbers(one => (one.runs ? one.sum / one.runs : NaN));
  const finite = (/** @type {number} */ v) => (Number.isFinite(v) ? v : NaN);
  return {
    run: label, count: curves.reduce((sum, curve) => sum + curve.count, 0), binned: true, low, high: Math.max(...curves.map(curve => curve.high)), mean, last: mean,
    x: numbers((_, key) => (whole ? key : low + (key + 0.5) * width)),
    least: numbers(one => finite(one.least)), most: numbers(one => finite(one.most)),
    counts: Uint32Array.from(sorted, ([, one]) => one.count), odd: Uint32Array.from(sorted, ([, one]) => one.odd),
  };
}
