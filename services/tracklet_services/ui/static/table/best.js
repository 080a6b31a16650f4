/** Which way a metric is better, and which runs have its best value. */

const LESS = /(^|[/_.\s-])(\w*loss|\w*nloglik|nll|\w*cross_?entropy|false_(positive|negative)s?|fpr|fnr|m?err(or)?s?|r?mse|mae|l1|l2|s?mape|wape|mphe|r?msle|perplexity|ppl|bpc|time|latency|seconds|duration|wer|cer|fid|brier|deviance|distance|regret|cost|kl|divergence|hamming|hinge|misclassification)($|[/_.\s-])/i;
const NEITHER = /(^|[/_.\s-])(epochs?|steps?|iterations?|lr|learning_rate|grad_norm|count|samples?|total|size)($|[/_.\s-])/i;

/** @typedef {'max' | 'min' | 'none'} Direction */

/** A loss with its sign turned, as scikit-learn scores by. */
const NEGATIVE = /(^|[/_.\s-])neg_/i;

/** What the name of a metric suggests. @param {string} key @returns {Direction} */
export function guess(key) {
  if (key.startsWith('system/') || NEITHER.test(key)) return 'none';
  return LESS.test(key) && !NEGATIVE.test(key) ? 'min' : 'max';
}

/** @param {any} column @param {Direction} direction @returns {number} NaN where there is none, or all are the same. */
export function bestOf(column, direction) {
  if (!column || column.kind !== 'number' || direction === 'none') return NaN;
  const known = (column.best ??= {});
  if (known[direction] !== undefined) return known[direction];
  let [low, high] = [Infinity, -Infinity];
  for (const value of column.values) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return (known[direction] = low < high ? (direction === 'min' ? low : high) : NaN);
}

/** @param {string} text The address's `better`. @returns {Record<string, Direction>} */
export function parse(text) {
  /** @type {Record<string, Direction>} */
  const found = {};
  for (const one of text.split(',')) {
    const at = one.lastIndexOf(':');
    const direction = one.slice(at + 1);
    if (at > 0 && (direction === 'max' || direction === 'min' || direction === 'none')) found[decode(one.slice(0, at))] = direction;
  }
  return found;
}

/** @param {Record<string, string | number>} given */
export const spell = given => Object.entries(given).map(([name, value]) => `${name.replace(/[%,:]/g, encodeURIComponent)}:${value}`).join(',');

/** @param {string} text */
export function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
