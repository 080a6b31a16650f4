/** Spans as the rows of a tree. Nothing here calls itself: a trace may be ten thousand levels deep. */

/**
 * @typedef {object} Span
 * @property {string} id
 * @property {string | null} parent
 * @property {string} name
 * @property {string} type
 * @property {number} at         µs since the first span began
 * @property {number | null} took  µs; null while it goes on
 * @property {string} status
 * @property {number} events
 * @property {number} level      1 for a root
 * @property {Span[]} children   In the order in which they began.
 */

/** @param {any[][]} rows @returns {Span[]} The spans in the order of the tree. */
export function treeOf(rows) {
  /** @type {Span[]} */
  const spans = rows.map(([id, parent, name, type, at, took, status, events]) => ({ id, parent, name, type, at, took, status, events, level: 0, children: [] }));
  const known = new Map(spans.map(span => [span.id, span]));
  const roots = [];
  for (const span of spans) {
    const parent = span.parent === null ? undefined : known.get(span.parent);
    if (parent && parent !== span) parent.children.push(span);
    else roots.push(span);
  }
  const early = (/** @type {Span} */ a, /** @type {Span} */ b) => a.at - b.at;
  for (const span of spans) span.children.sort(early);
  /** @type {Span[]} */
  const ordered = [];
  // Spans that are each other's parents are below no root: the first of them is taken for one.
  for (const root of [...roots.sort(early), ...spans]) {
    if (root.level) continue;
    root.level = 1;
    const waiting = [root];
    while (waiting.length) {
      const span = /** @type {Span} */ (waiting.pop());
      ordered.push(span);
      span.children = span.children.filter(child => !child.level);
      for (const child of span.children) child.level = span.level + 1;
      for (let i = span.children.length - 1; i >= 0; i--) waiting.push(span.children[i]);
    }
  }
  return ordered;
}

/** Those that are shown when some are folded. @param {Span[]} ordered @param {Set<string>} folded */
export function unfolded(ordered, folded) {
  if (!folded.size) return ordered;
  const shown = [];
  let below = Infinity;
  for (const span of ordered) {
    if (span.level > below) continue;
    shown.push(span);
    below = folded.has(span.id) ? span.level : Infinity;
  }
  return shown;
}

/** The spans that one waited for: from the end back, each time the last that ended. @param {Span[]} ordered @returns {Set<string>} */
export function criticalPath(ordered) {
  const path = new Set();
  const waiting = ordered.filter(span => span.level === 1);
  while (waiting.length) {
    const span = /** @type {Span} */ (waiting.pop());
    path.add(span.id);
    const end = (/** @type {Span} */ one) => one.at + (one.took ?? 0);
    let until = end(span);
    for (const child of [...span.children].sort((a, b) => end(b) - end(a))) {
      // Clocks are read a moment apart.
      if (end(child) > until + 1) continue;
      waiting.push(child);
      until = child.at;
    }
  }
  return path;
}

/** A span of time. @param {number | null} us */
export function took(us) {
  if (us === null) return 'goes on';
  if (us < 1000) return `${us < 10 ? Math.round(us * 10) / 10 : Math.round(us)} µs`;
  if (us < 1e6) return `${(us / 1000).toPrecision(3)} ms`.replace(/e\+3 ms/, '000 ms');
  if (us < 60e6) return `${(us / 1e6).toPrecision(3)} s`;
  const seconds = Math.round(us / 1e6);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
