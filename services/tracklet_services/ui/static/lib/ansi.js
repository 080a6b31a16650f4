/** What terminals are sent, as lines of plain text with classes: nothing of it reaches the page as markup. */

/** @typedef {{ text: string, look: string }} Piece */

const ESCAPE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[@-Z\\-~])/g;
const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
const STYLES = /** @type {Record<number, string>} */ ({ 1: 'bold', 2: 'faint', 3: 'italic', 4: 'under' });

/** A line that was written over, as it was at last. @param {string} line */
export function settled(line) {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  return text.slice(text.lastIndexOf('\r') + 1);
}

/** @param {string} text */
export const plain = text => text.replace(ESCAPE, '');

/** @param {string} codes @param {Set<string>} look */
function apply(codes, look) {
  const parts = codes.split(';').map(Number);
  for (let i = 0; i < parts.length; i++) {
    const code = parts[i];
    if (!code) look.clear();
    else if (STYLES[code]) look.add(STYLES[code]);
    else if (code >= 22 && code <= 24) for (const style of Object.values(STYLES)) look.delete(style);
    else if (code === 38 || code === 48) i += parts[i + 1] === 5 ? 2 : 4;
    else if ((code >= 30 && code <= 39) || (code >= 90 && code <= 97)) {
      for (const name of NAMES) look.delete(name);
      if (code !== 39) look.add(NAMES[code % 10]);
    }
  }
}

/** The pieces of a line; styles do not go on to the next one. @param {string} line @returns {Piece[]} */
export function pieces(line) {
  if (!line.includes('\x1b')) return [{ text: line, look: '' }];
  const look = new Set();
  const found = [];
  let at = 0;
  for (const match of line.matchAll(ESCAPE)) {
    if (match.index > at) found.push({ text: line.slice(at, match.index), look: [...look].join(' ') });
    at = match.index + match[0].length;
    if (match[2] === 'm') apply(match[1], look);
  }
  if (at < line.length) found.push({ text: line.slice(at), look: [...look].join(' ') });
  return found;
}
