/** The rows of a run table, kept out of what the framework watches: columns come as they are seen. */
import { frame } from '../lib/api.js';
import { awaiting } from '../lib/live.js';

const NUMERIC = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/** @param {any} described @param {any[]} buffers */
function column(described, buffers) {
  const made = { ...described, values: buffers[described.buffer] };
  if (described.present !== undefined) made.present = buffers[described.present];
  if (described.kind === 'text') made.numeric = described.texts.length > 0 && described.texts.every((/** @type {string} */ text) => NUMERIC.test(text));
  return made;
}

export class TableData {
  /** @param {import('../lib/api.js').Frame} answer @param {string[]} experiments */
  constructor({ header, buffers }, experiments) {
    this.experiments = experiments;
    this.count = header.count;
    this.total = header.total;
    this.since = header.since;
    /** @type {string[]} */
    this.ids = header.ids;
    /** @type {string[]} */
    this.names = header.names;
    this.order = Object.fromEntries(Object.entries(header.order).map(([name, one]) => [name, column(one, buffers)]));
    this.start = this.order.start.values;
    this.end = this.order.end.values;
    this.parent = this.order.parent.values;
    /** @type {Map<string, any>} */
    this.columns = new Map();
    /** @type {Set<string>} */
    this.asked = new Set(Object.keys(header.columns));
    /** Those that are on their way. @type {Map<string, Promise<void>>} */
    this.coming = new Map();
    /** Those that did not come. @type {string[]} */
    this.failed = [];
    this.take(header, buffers);
  }

  /** @param {any} header @param {any[]} buffers */
  take(header, buffers) {
    for (const [name, one] of Object.entries(header.columns)) this.columns.set(name, column(one, buffers));
  }

  /** @param {string} name @param {number} row */
  text(name, row) {
    const { values, texts } = this.order[name];
    return values[row] ? texts[values[row] - 1] : '';
  }

  /** Fetch those columns that were not asked for yet. @param {string[]} names @returns {Promise<boolean>} */
  async fetch(names) {
    const missing = names.filter(name => !this.asked.has(name)).slice(0, 100);
    if (!missing.length) return false;
    const answer = this.come(missing);
    for (const name of missing) {
      this.asked.add(name);
      this.coming.set(name, answer);
    }
    await answer;
    return true;
  }

  /** Have all of these columns here, those that somebody else asked for too. @param {string[]} names */
  async whole(names) {
    this.again();
    while (await this.fetch(names));
    await Promise.all(names.map(name => this.coming.get(name)));
  }

  /** @param {string[]} missing */
  async come(missing) {
    try {
      const { header, buffers } = await awaiting(frame('table', [['since', this.since], ...missing.map(name => /** @type {[string, string]} */ (['column', name]))]));
      this.take(header, buffers);
    } catch (error) {
      this.failed.push(...missing);
      throw error;
    } finally {
      for (const name of missing) this.coming.delete(name);
    }
  }

  /** Let those that did not come be fetched again. */
  again() {
    for (const name of this.failed.splice(0)) this.asked.delete(name);
  }
}
