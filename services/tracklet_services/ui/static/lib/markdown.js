/**
 * Markdown as people write notes: to elements, never to HTML.
 *
 * GitHub's kind, as far as notes use it: headings, paragraphs, lists (also of tasks), quotes, code,
 * tables, rules, emphasis, links, images of the run's own artifacts. HTML is shown as its text.
 */
import { html } from '../vendor/preact.js';

const DEEPEST = 8;
const LONGEST = 200_000;

/** @typedef {(path: string) => string | null} Resolve The address of an artifact by its path. */

/** @param {string} url */
export function safeLink(url) {
  return /^(https?:|mailto:)/i.test(url.trim()) ? url.trim() : null;
}

/** @param {{ text: string, image?: Resolve }} props */
export function Markdown({ text, image = () => null }) {
  const lines = text.slice(0, LONGEST).replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n');
  return html`<div class="markdown" dir="auto">${blocks(lines, image, 0)}${text.length > LONGEST && html`<p class="dim">The note goes on for ${text.length - LONGEST} characters.</p>`}</div>`;
}

const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;

/** @param {string[]} lines @param {Resolve} image @param {number} depth @returns {any[]} */
function blocks(lines, image, depth) {
  /** @type {any[]} */
  const made = [];
  if (depth > DEEPEST) return [lines.join('\n')];
  let i = 0;
  while (i < lines.length) {
    const line = lines[i];
    let found;
    if (!line.trim()) {
      i++;
    } else if ((found = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/.exec(line))) {
      const fence = found[1];
      const code = [];
      for (i++; i < lines.length && !lines[i].trim().startsWith(fence); i++) code.push(lines[i]);
      i++;
      made.push(html`<pre><code>${code.join('\n')}</code></pre>`);
    } else if ((found = /^ {0,3}(#{1,6})\s+(.*?)\s{0,99}#{0,99}$/.exec(line))) {
      // The page has its own first heading.
      const Tag = `h${Math.min(6, found[1].length + 2)}`;
      made.push(html`<${Tag}>${inline(found[2], image)}<//>`);
      i++;
    } else if (/^ {0,3}([-*_])( *\1){2,} *$/.test(line)) {
      made.push(html`<hr />`);
      i++;
    } else if (/^ {0,3}>/.test(line)) {
      const quoted = [];
      while (i < lines.length && lines[i].trim() && (/^ {0,3}>/.test(lines[i]) || quoted.length)) quoted.push(lines[i++].replace(/^ {0,3}> ?/, ''));
      made.push(html`<blockquote>${blocks(quoted, image, depth + 1)}</blockquote>`);
    } else if ((found = ITEM.exec(line))) {
      const ordered = /\d/.test(found[2]);
      /** @type {string[][]} */
      const items = [];
      while (i < lines.length) {
        const start = ITEM.exec(lines[i]);
        if (start && /\d/.test(start[2]) === ordered) {
          items.push([lines[i++].slice(start[0].length)]);
        } else if (/^ {2,}\S/.test(lines[i]) && items.length) {
          items[items.length - 1].push(lines[i++].replace(/^ {2,4}/, ''));
        } else if (!lines[i].trim() && i + 1 < lines.length && (/^ {2,}\S/.test(lines[i + 1]) || ITEM.test(lines[i + 1]))) {
          items[items.length - 1].push(lines[i++]);
        } else break;
      }
      const listed = items.map(item => {
        const task = /^\[([ xX])\] /.exec(item[0]);
        if (task) item[0] = item[0].slice(4);
        const body = item.length === 1 ? inline(item[0], image) : blocks(item, image, depth + 1);
        return html`<li class=${task ? 'task' : ''}>${task && html`<input type="checkbox" disabled checked=${task[1] !== ' '} />`}${body}</li>`;
      });
      made.push(ordered ? html`<ol start=${parseInt(found[2], 10)}>${listed}</ol>` : html`<ul>${listed}</ul>`);
    } else if (line.includes('|') && i + 1 < lines.length && /^ *\|?( *:?-+:? *\|)+ *:?-*:? *\|? *$/.test(lines[i + 1])) {
      const head = cells(line);
      const rows = [];
      for (i += 2; i < lines.length && lines[i].includes('|'); i++) rows.push(cells(lines[i]));
      made.push(html`<table class="list"><thead><tr>${head.map(text => html`<th>${inline(text, image)}</th>`)}</tr></thead><tbody>${rows.map(row => html`<tr>${head.map((_, at) => html`<td>${inline(row[at] ?? '', image)}</td>`)}</tr>`)}</tbody></table>`);
    } else {
      const paragraph = [];
      while (i < lines.length && lines[i].trim() && !(paragraph.length && /^ {0,3}(#{1,6}\s|>|`{3}|~{3}|[-*+] )/.test(lines[i]))) paragraph.push(lines[i++]);
      made.push(html`<p>${inline(paragraph.join('\n'), image)}</p>`);
    }
  }
  return made;
}

/** @param {string} line */
function cells(line) {
  return line.trim().replace(/^\||\|$/g, '').split(/(?<!\\)\|/).map(text => text.trim().replace(/\\\|/g, '|'));
}

// What a mark may span is bounded, for the text after each mark that is not closed is looked through.
const INLINE = /\\([!-/:-@[-`{-~])|(`{1,99})([^`]|[^`].{0,2000}?[^`])\2(?!`)|!\[([^\]]{0,1000})\]\(((?:[^()\s]|\([^()\s]{0,1000}\)){1,4000})(?:\s[^)]{0,1000})?\)|\[([^\]]{1,1000})\]\(((?:[^()\s]|\([^()\s]{0,1000}\)){1,4000})(?:\s[^)]{0,1000})?\)|<(https?:[^>\s]{1,4000})>|(https?:\/\/[^\s<]+[^\s<.,:;"')\]])|(\*\*|__)(?=\S)(.{1,2000}?\S|\S)\10|(~~)(?=\S)(.{1,2000}?)~~|(\*|_)(?=[^\s*_])(.{0,2000}?[^\s*_]|[^\s*_])\14(?!\w)| {2,}\n/s;

/** @param {string} text @param {Resolve} image @param {number} [depth] @returns {any[]} */
function inline(text, image, depth = 0) {
  /** @type {any[]} */
  const made = [];
  let rest = text;
  while (rest) {
    const found = depth > DEEPEST ? null : INLINE.exec(rest);
    if (!found) {
      made.push(rest);
      break;
    }
    if (found.index) made.push(rest.slice(0, found.index));
    rest = rest.slice(found.index + found[0].length);
    const [whole, escaped, , code, alt, source, label, target, auto, bare, , strong, , struck, , weak] = found;
    if (escaped) made.push(escaped);
    else if (code !== undefined) made.push(html`<code>${code.trim()}</code>`);
    else if (source !== undefined) {
      const address = image(source);
      made.push(address ? html`<img src=${address} alt=${alt} loading="lazy" />` : html`<span class="dim">[image ${alt || source}]</span>`);
    } else if (target !== undefined) {
      const address = safeLink(target) ?? (/^[\w.][^:]*$/.test(target) ? image(target) : null);
      made.push(address ? html`<a href=${address} rel="noreferrer noopener" target="_blank">${inline(label, image, depth + 1)}</a>` : html`<span>${inline(label, image, depth + 1)}</span>`);
    } else if (auto || bare) made.push(html`<a href=${auto || bare} rel="noreferrer noopener" target="_blank">${auto || bare}</a>`);
    else if (strong) made.push(html`<strong>${inline(strong, image, depth + 1)}</strong>`);
    else if (struck) made.push(html`<del>${inline(struck, image, depth + 1)}</del>`);
    else if (weak) made.push(html`<em>${inline(weak, image, depth + 1)}</em>`);
    else made.push(/\n$/.test(whole) ? html`<br />` : whole);
  }
  return made;
}
