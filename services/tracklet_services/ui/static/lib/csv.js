/** Rows of comma- or tab-separated values; quotes may hold separators and line feeds. */

/** @param {string} text @param {string} separator @param {number} most @returns {{ rows: string[][], count: number }} */
export function parseCsv(text, separator, most) {
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  let count = 0;
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const end = () => {
    if (row.length > 1 || row[0]) {
      count++;
      if (rows.length < most) rows.push(row);
    }
    row = [];
  };
  while (at < text.length) {
    if (text[at] === '"') {
      let value = '';
      for (at++; at < text.length; at++) {
        if (text[at] !== '"') value += text[at];
        else if (text[at + 1] === '"') {
          value += '"';
          at++;
        } else break;
      }
      at++;
      row.push(value);
      while (at < text.length && text[at] !== separator && text[at] !== '\n') at++;
    } else {
      let to = at;
      while (to < text.length && text[to] !== separator && text[to] !== '\n') to++;
      row.push(text.slice(at, to).replace(/\r$/, ''));
      at = to;
    }
    if (at >= text.length || text[at] === '\n') end();
    else if (at + 1 >= text.length) row.push('');
    at++;
  }
  if (row.length) end();
  return { rows, count };
}
