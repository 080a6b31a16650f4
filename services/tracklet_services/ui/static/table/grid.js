/**
 * A table of any size: only the rows and columns in view are in the page, and they are reused.
 *
 * It is made without a framework: a frame of scrolling changes texts, and nothing else is built.
 *
 * @typedef {object} Column
 * @property {string} name          What it is called in addresses and orders.
 * @property {string} title         What the header says.
 * @property {string} [caption]     What stands above it, small.
 * @property {number} width         px
 * @property {boolean} [number]     Whether it is set as numbers are.
 * @property {boolean} [sortable]
 * @property {(row: number) => string} text
 * @property {(row: number) => string} [mark]  The value of data-status, for its look.
 *
 * @typedef {object} Options
 * @property {string} label
 * @property {number} count
 * @property {Column[]} columns     The first one is pinned, and is the name of the row.
 * @property {(row: number) => string} link
 * @property {(row: number) => string} colour
 * @property {(row: number) => string} key
 * @property {string[]} order       Such as `name DESC`.
 * @property {Set<string>} selected
 * @property {(name: string, more: boolean) => void} onSort
 * @property {() => void} onSelect
 * @property {(first: number, last: number) => void} onColumns
 */

const ROW = 30;
const HEAD = 44;
const SPARE_ROWS = 6;
const SPARE_PX = 200;

/** @param {string} tag @param {string} className @param {Element} [parent] */
function make(tag, className, parent) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  parent?.append(made);
  return made;
}

export class Grid {
  /** @param {HTMLElement} host @param {Options} options */
  constructor(host, options) {
    this.options = options;
    this.at = { row: 0, column: 0 };
    this.anchor = 0;
    this.frame = 0;
    /** @type {any[]} */
    this.rows = [];
    /** @type {any[]} */
    this.heads = [];
    this.scroller = make('div', 'grid', host);
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute('role', 'grid');
    this.scroller.setAttribute('aria-multiselectable', 'true');
    this.head = make('div', 'grid-head', this.scroller);
    this.head.setAttribute('role', 'row');
    this.head.setAttribute('aria-rowindex', '1');
    this.pinHead = make('div', 'pin', this.head);
    this.pinHead.setAttribute('role', 'presentation');
    this.all = /** @type {HTMLInputElement} */ (make('input', '', this.pinHead));
    this.all.type = 'checkbox';
    this.all.tabIndex = -1;
    this.all.setAttribute('aria-label', 'select all that match');
    this.all.addEventListener('change', () => this.selectAll(this.all.checked));
    this.nameHead = this.makeHead(this.pinHead);
    this.body = make('div', 'grid-body', this.scroller);
    this.body.setAttribute('role', 'presentation');
    this.scroller.addEventListener('scroll', () => this.later(), { passive: true });
    this.scroller.addEventListener('keydown', event => this.onKey(event));
    this.scroller.addEventListener('click', event => this.onClick(event));
    this.resizing = new ResizeObserver(() => this.later());
    this.resizing.observe(this.scroller);
    this.update(options);
  }

  destroy() {
    this.resizing.disconnect();
    cancelAnimationFrame(this.frame);
    this.scroller.remove();
  }

  /** @param {Options} options */
  update(options) {
    this.options = options;
    const { columns, count, label } = options;
    /** @type {number[]} */
    this.left = [0];
    for (const column of columns.slice(1)) this.left.push(this.left[this.left.length - 1] + column.width);
    this.pinned = columns[0].width;
    const width = `${this.pinned + this.left[this.left.length - 1]}px`;
    this.body.style.width = width;
    this.head.style.width = width;
    this.body.style.height = `${count * ROW}px`;
    this.scroller.style.maxHeight = `${count * ROW + HEAD + 18}px`;
    this.pinHead.style.width = `${this.pinned}px`;
    this.scroller.setAttribute('aria-label', label);
    this.scroller.setAttribute('aria-rowcount', String(count + 1));
    this.scroller.setAttribute('aria-colcount', String(columns.length));
    this.at.row = Math.max(0, Math.min(this.at.row, count - 1));
    this.at.column = Math.min(this.at.column, columns.length - 1);
    this.draw(true);
  }

  later() {
    if (!this.frame)
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw(false);
      });
  }

  /** The columns in view: all but the pinned one. @returns {[number, number]} */
  span() {
    const from = this.scroller.scrollLeft - SPARE_PX;
    const to = this.scroller.scrollLeft + this.scroller.clientWidth - this.pinned + SPARE_PX;
    let first = 1;
    while (first < this.left.length && this.left[first] < from) first++;
    let last = first;
    while (last < this.left.length && this.left[last - 1] < to) last++;
    return [first, last];
  }

  /** @param {boolean} anew Whether what is shown may have changed where it stands. */
  draw(anew) {
    const { count, columns } = this.options;
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / ROW) - SPARE_ROWS);
    const last = Math.min(count, Math.ceil((top + this.scroller.clientHeight - HEAD) / ROW) + SPARE_ROWS);
    const [from, to] = this.span();
    if (!anew && first === this.first && last === this.last && from === this.from && to === this.to) return;
    const moved = from !== this.from || to !== this.to;
    Object.assign(this, { first, last, from, to });
    if (anew || moved) this.drawHead(from, to);
    const size = last - first;
    while (this.rows.length < size) this.rows.push(this.makeRow());
    // A row keeps its element while it is in view: those that left are given to those that came.
    const free = [];
    const placed = new Set();
    for (const row of this.rows) {
      if (!anew && row.index >= first && row.index < last) placed.add(row.index);
      else free.push(row);
    }
    if (moved) for (const row of this.rows) if (placed.has(row.index)) this.fill(row, row.index);
    for (let index = first; index < last; index++) if (!placed.has(index)) this.fill(free.pop(), index);
    for (const row of free) {
      row.index = -1;
      row.element.hidden = true;
    }
    this.mark();
    this.options.onColumns(from, Math.min(to, columns.length));
  }

  /** @param {Element} parent */
  makeHead(parent) {
    const element = make('div', 'head', parent);
    element.setAttribute('role', 'columnheader');
    return { element, caption: make('span', 'caption', element), title: make('span', 'title', element), name: '' };
  }

  /** @param {any} head @param {Column} column @param {number} index */
  fillHead(head, column, index) {
    const terms = this.options.order.map(term => term.replace(/ (ASC|DESC)$/i, ''));
    const place = terms.indexOf(column.name);
    const down = place >= 0 && / DESC$/i.test(this.options.order[place]);
    head.index = index;
    head.element.dataset.column = String(index);
    head.element.classList.toggle('sortable', column.sortable !== false);
    head.element.classList.toggle('number', !!column.number);
    head.element.setAttribute('aria-colindex', String(index + 1));
    head.element.setAttribute('aria-sort', place < 0 ? 'none' : down ? 'descending' : 'ascending');
    head.element.title = column.title;
    head.caption.textContent = column.caption ?? '';
    head.title.textContent = column.title;
  }

  /** @param {number} from @param {number} to */
  drawHead(from, to) {
    const { columns } = this.options;
    this.fillHead(this.nameHead, columns[0], 0);
    while (this.heads.length < to - from) this.heads.push(this.makeHead(this.head));
    this.heads.forEach((head, i) => {
      const index = from + i;
      head.element.hidden = index >= to;
      if (index >= to) return;
      head.element.style.left = `${this.pinned + this.left[index - 1]}px`;
      head.element.style.width = `${columns[index].width}px`;
      this.fillHead(head, columns[index], index);
    });
  }

  makeRow() {
    const element = make('div', 'row', this.body);
    element.setAttribute('role', 'row');
    const pin = make('div', 'pin', element);
    pin.setAttribute('role', 'gridcell');
    pin.setAttribute('aria-colindex', '1');
    const box = make('span', 'box', pin);
    const dot = make('span', 'dot', pin);
    const link = make('a', '', pin);
    link.setAttribute('dir', 'auto');
    link.tabIndex = -1;
    box.setAttribute('aria-hidden', 'true');
    return { element, pin, box, dot, link, cells: /** @type {any[]} */ ([]), index: -1 };
  }

  /** @param {any} row @param {number} index */
  fill(row, index) {
    const { columns, link, colour } = this.options;
    const { from, to } = this;
    row.index = index;
    row.element.hidden = false;
    row.element.style.top = `${index * ROW}px`;
    row.element.dataset.row = String(index);
    row.element.setAttribute('aria-rowindex', String(index + 2));
    row.pin.style.width = `${this.pinned}px`;
    row.link.textContent = columns[0].text(index);
    row.link.href = link(index);
    row.dot.style.background = colour(index);
    this.fillSelected(row);
    while (row.cells.length < to - from) {
      const cell = make('div', 'cell', row.element);
      cell.setAttribute('role', 'gridcell');
      cell.append('');
      row.cells.push(cell);
    }
    row.cells.forEach((/** @type {any} */ cell, /** @type {number} */ i) => {
      const at = from + i;
      if (at >= to) {
        if (!cell.hidden) cell.hidden = true;
        return;
      }
      if (cell.hidden) cell.hidden = false;
      const column = columns[at];
      if (cell.at !== this.left[at - 1] || cell.wide !== column.width || cell.number !== !!column.number) {
        cell.at = this.left[at - 1];
        cell.wide = column.width;
        cell.number = !!column.number;
        cell.style.left = `${this.pinned + cell.at}px`;
        cell.style.width = `${cell.wide}px`;
        cell.className = column.number ? 'cell number' : 'cell';
        cell.setAttribute('aria-colindex', String(at + 1));
      }
      const text = column.text(index);
      if (cell.shown !== text) cell.firstChild.data = cell.shown = text;
      const mark = column.mark ? column.mark(index) : '';
      if ((cell.dataset.status ?? '') !== mark) {
        if (mark) cell.dataset.status = mark;
        else delete cell.dataset.status;
      }
    });
  }

  /** @param {any} row */
  fillSelected(row) {
    const selected = this.options.selected.has(this.options.key(row.index));
    row.element.classList.toggle('selected', selected);
    row.element.setAttribute('aria-selected', String(selected));
  }

  // -- the cell that keys act on ---------------------------------------------------------------

  mark() {
    this.scroller.querySelectorAll('.here').forEach(element => {
      element.classList.remove('here');
      element.removeAttribute('id');
    });
    const row = this.rows.find(one => one.index === this.at.row);
    const cell = this.at.column === 0 ? row?.pin : row?.cells[this.at.column - this.from];
    if (row && cell && !cell.hidden) {
      cell.classList.add('here');
      cell.id = 'grid-here';
      this.scroller.setAttribute('aria-activedescendant', 'grid-here');
    } else {
      this.scroller.removeAttribute('aria-activedescendant');
    }
  }

  /** @param {number} row @param {number} column */
  goTo(row, column) {
    const { count, columns } = this.options;
    this.at = {
      row: Math.max(0, Math.min(row, count - 1)),
      column: Math.max(0, Math.min(column, columns.length - 1)),
    };
    const top = this.at.row * ROW;
    const page = this.scroller.clientHeight - HEAD;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW > this.scroller.scrollTop + page) this.scroller.scrollTop = top + ROW - page;
    if (this.at.column > 0) {
      const left = this.left[this.at.column - 1];
      const wide = this.scroller.clientWidth - this.pinned;
      const right = left + columns[this.at.column].width;
      if (left < this.scroller.scrollLeft) this.scroller.scrollLeft = left;
      else if (right > this.scroller.scrollLeft + wide) this.scroller.scrollLeft = right - wide;
    }
    this.draw(false);
    this.mark();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    if (event.altKey || event.isComposing) return;
    const { row, column } = this.at;
    const edge = event.ctrlKey || event.metaKey;
    const { count, columns } = this.options;
    const page = Math.max(1, Math.floor((this.scroller.clientHeight - HEAD) / ROW) - 1);
    /** @type {Record<string, [number, number]>} */
    const moves = {
      ArrowDown: [edge ? count - 1 : row + 1, column],
      ArrowUp: [edge ? 0 : row - 1, column],
      ArrowRight: [row, edge ? columns.length - 1 : column + 1],
      ArrowLeft: [row, edge ? 0 : column - 1],
      PageDown: [row + page, column],
      PageUp: [row - page, column],
      Home: [edge ? 0 : row, 0],
      End: [edge ? count - 1 : row, columns.length - 1],
    };
    const move = moves[event.key];
    if (move) {
      if (event.shiftKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
        this.select(row, true);
        this.select(Math.max(0, Math.min(move[0], count - 1)), true);
      }
      this.goTo(...move);
    } else if (event.key === ' ') {
      this.select(row);
    } else if (event.key === 'Enter' && count) {
      if (edge) open(this.options.link(row));
      else location.hash = this.options.link(row).slice(1);
    } else if (event.key === 'a' && edge) {
      this.selectAll(true);
    } else if (event.key === 's' && !edge) {
      this.options.onSort(columns[column].name, event.shiftKey);
    } else if (event.key === 'Escape' && this.options.selected.size) {
      this.selectAll(false);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const at = /** @type {HTMLElement} */ (event.target);
    const head = at.closest('.head');
    if (head instanceof HTMLElement && head.dataset.column) {
      const column = this.options.columns[+head.dataset.column];
      if (column.sortable !== false) this.options.onSort(column.name, event.shiftKey);
      return;
    }
    const element = at.closest('.row');
    if (!(element instanceof HTMLElement) || at.closest('a')) return;
    const row = Number(element.dataset.row);
    const cell = at.closest('.cell');
    const column = cell ? this.rows.find(one => one.index === row).cells.indexOf(cell) + this.from : 0;
    if (at.closest('.box')) {
      if (event.shiftKey) this.selectRange(this.anchor, row);
      else this.select(row);
    }
    this.at = { row, column };
    this.mark();
  }

  /** @param {number} row @param {boolean} [on] */
  select(row, on) {
    const { selected, key, count } = this.options;
    if (row >= count) return;
    const name = key(row);
    if (on ?? !selected.has(name)) selected.add(name);
    else selected.delete(name);
    this.anchor = row;
    this.selectedChanged();
  }

  /** @param {number} from @param {number} to */
  selectRange(from, to) {
    for (let row = Math.min(from, to); row <= Math.max(from, to); row++) this.options.selected.add(this.options.key(row));
    this.selectedChanged();
  }

  /** @param {boolean} on */
  selectAll(on) {
    const { selected, key, count } = this.options;
    selected.clear();
    if (on) for (let row = 0; row < count; row++) selected.add(key(row));
    this.selectedChanged();
  }

  selectedChanged() {
    const { selected, count, onSelect } = this.options;
    for (const row of this.rows) if (row.index >= 0) this.fillSelected(row);
    this.all.checked = count > 0 && selected.size >= count;
    this.all.indeterminate = selected.size > 0 && selected.size < count;
    onSelect();
  }
}
