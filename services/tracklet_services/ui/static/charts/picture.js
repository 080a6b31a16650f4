/** A drawn chart as a file: a picture of its pixels, or lines that any program scales. */

const HEAD = 26;
const XML = /** @type {Record<string, string>} */ ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' });

/** What XML has no place for is left out. @param {string} text */
const escaped = text => text.replace(/[&<>"]/g, c => XML[c]).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '');

/** The look of a card, as colours that a file may hold. @param {Element} at */
function lookOf(at) {
  const { color, backgroundColor } = getComputedStyle(/** @type {Element} */ (at.closest('.card') ?? at));
  return { ink: color, page: backgroundColor };
}

/** @param {any} u What uPlot drew. @param {string} title @returns {Promise<Blob>} */
export function png(u, title) {
  const { ink, page } = lookOf(u.root);
  const ratio = devicePixelRatio;
  const made = document.createElement('canvas');
  made.width = u.ctx.canvas.width;
  made.height = u.ctx.canvas.height + HEAD * ratio;
  const context = /** @type {CanvasRenderingContext2D} */ (made.getContext('2d'));
  context.fillStyle = page;
  context.fillRect(0, 0, made.width, made.height);
  context.fillStyle = ink;
  context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
  context.fillText(title, 10 * ratio, 18 * ratio);
  context.drawImage(u.ctx.canvas, 0, HEAD * ratio);
  return new Promise((resolve, reject) => made.toBlob(blob => (blob ? resolve(blob) : reject(new Error('the browser made no picture of the chart'))), 'image/png'));
}

/** The stretches of a column that are without a gap, as places in the picture. @param {any} u @param {number} column */
function stretches(u, column) {
  /** @type {[number, number][][]} */
  const found = [[]];
  const [xs, ys] = [u.data[0], u.data[column]];
  const { left, top } = u.bbox;
  const ratio = devicePixelRatio;
  for (let i = 0; i < xs.length; i++) {
    if (ys[i] === undefined) continue;
    if (ys[i] === null) found.push([]);
    else found[found.length - 1].push([u.valToPos(xs[i], 'x') + left / ratio, u.valToPos(ys[i], 'y') + top / ratio + HEAD]);
  }
  return found.filter(one => one.length);
}

/** @param {[number, number][]} places */
const path = places => places.map(([x, y]) => `${x.toFixed(2)},${y.toFixed(2)}`).join('L');

/** @param {any} u What uPlot drew. @param {string} title @param {string[]} names Of the lines. @param {number[]} lines Their columns. @returns {Blob} */
export function svg(u, title, names, lines) {
  const { ink, page } = lookOf(u.root);
  const ratio = devicePixelRatio;
  const [left, top, width, height] = [u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height].map(v => v / ratio);
  const foot = top + HEAD + height;
  /** @param {string} scale */
  const ticks = scale => u.axes.filter((/** @type {any} */ axis) => axis.scale === scale).flatMap((/** @type {any} */ axis) => (axis._values ?? []).map((/** @type {any} */ text, /** @type {number} */ i) => [axis._splits[i], text]).filter((/** @type {any} */ [, text]) => text != null && text !== ''));
  const colour = (/** @type {number} */ i) => escaped(String(u.series[i].stroke(u, i)));
  const parts = [];
  for (const [at, text] of ticks('x')) {
    const x = (u.valToPos(at, 'x') + left).toFixed(1);
    parts.push(`<path d="M${x},${top + HEAD}V${foot}" stroke="${ink}" stroke-opacity=".12"/><text x="${x}" y="${foot + 16}" text-anchor="middle">${escaped(String(text))}</text>`);
  }
  for (const [at, text] of ticks('y')) {
    const y = (u.valToPos(at, 'y') + top + HEAD).toFixed(1);
    parts.push(`<path d="M${left},${y}h${width}" stroke="${ink}" stroke-opacity=".12"/><text x="${left - 6}" y="${y}" dy=".35em" text-anchor="end">${escaped(String(text))}</text>`);
  }
  parts.push(`<clipPath id="in"><rect x="${left}" y="${top + HEAD}" width="${width}" height="${height}"/></clipPath><g clip-path="url(#in)" fill="none">`);
  for (const { series: [most, least] } of u.bands ?? []) {
    const [above, below] = [stretches(u, most), stretches(u, least)];
    above.forEach((places, i) => below[i] && parts.push(`<path d="M${path([...places, ...[...below[i]].reverse()])}Z" fill="${colour(most).slice(0, 7)}" fill-opacity=".2"/>`));
  }
  lines.forEach((column, i) => {
    const dash = u.series[column].dash?.join(' ');
    parts.push(`<g stroke="${colour(column)}" stroke-width="1.6"${dash ? ` stroke-dasharray="${dash}"` : ''}><title>${escaped(names[i])}</title>${stretches(u, column).map(places => (places.length > 1 ? `<path d="M${path(places)}"/>` : `<circle cx="${places[0][0]}" cy="${places[0][1]}" r="2.5" fill="${colour(column)}"/>`)).join('')}</g>`);
  });
  parts.push('</g>');
  const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${u.width}" height="${u.height + HEAD}" font-family="system-ui, sans-serif" font-size="11" fill="${ink}"><rect width="100%" height="100%" fill="${page}"/><text x="10" y="18" font-size="13" font-weight="600">${escaped(title)}</text>${parts.join('')}</svg>\n`;
  return new Blob([text], { type: 'image/svg+xml' });
}
