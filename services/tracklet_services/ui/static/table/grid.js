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
 * @property {(row: number) => string} [look]  A further class: best, better, worse.
 *
 * @typedef {object} Options
 * @property {string} label
 * @property {number} count
 * @property {Column[]} columns     The first one is the name of the row.
 * @property {number} pins          How many of the first columns stay in view.
 * @property {(row: number) => string} link  Empty for what is no run.
 * @property {(row: number) => string} colour
 * @property {(row: number) => string[]} keys  The runs that a row stands for.
 * @property {string[]} all         The runs of all rows, those folded away too.
 * @property {boolean} tree         Whether rows have others below them.
 * @property {(row: number) => number} depth
 * @property {(row: number) => boolean | null} open  Whether what is below it is shown; null if nothing is.
 * @property {(row: number) => void} onFold
 * @property {string[]} order       Such as `name DESC`.
 * @property {Set<string>} selected
 * @property {(name: string, more: boolean) => void} onSort
 * @property {() => void} onSelect
 * @property {(first: number, last: number) => void} onColumns
 * @property {(column: number, at: DOMRect) => void} onMenu
 * @property {(column: number, width: number) => void} onResize
 * @property {(column: number, to: number) => void} onMove
 * @property {(row: number) => void} onBase
 */

import { watchDrag } from './drag.js';
import { HEAD, onKey, ROW } from './keys.js';

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
    this.scroller.setAttribute('aria-multiselectable', 'true');
    this.head = make('div', 'grid-head', this.scroller);
    this.head.setAttribute('role', 'row');
    this.head.setAttribute('aria-rowindex', '1');
    this.pinHead = make('div', 'pin', this.head);
    this.pinHead.setAttribute('role', 'presentation');
    /** @type {any[]} */
    this.pinHeads = [this.makeHead(this.pinHead)];
    // A row of headers holds headers alone: what selects all is within the first.
    this.all = /** @type {HTMLInputElement} */ (make('input', '', this.pinHeads[0].element));
    this.all.type = 'checkbox';
    this.all.tabIndex = -1;
    this.all.setAttribute('aria-label', 'select all that match');
    this.all.addEventListener('change', () => this.selectAll(this.all.checked));
    this.body = make('div', 'grid-body', this.scroller);
    this.body.setAttribute('role', 'presentation');
    this.scroller.addEventListener('scroll', () => this.later(), { passive: true });
    this.scroller.addEventListener('keydown', event => onKey(this, event));
    this.scroller.addEventListener('click', event => this.onClick(event));
    watchDrag(this);
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
    const before = this.options;
    this.options = options;
    if (this.scroller.contains(document.activeElement)) this.at.row = this.follow(before, this.at.row);
    this.anchor = this.follow(before, this.anchor);
    const { columns, count, label, pins, tree } = options;
    /** Where columns begin: those that are pinned within these, others within what scrolls. @type {number[]} */
    this.left = [];
    let [pinned, wide] = [0, 0];
    columns.forEach((column, i) => {
      this.left.push(i < pins ? pinned : wide);
      if (i < pins) pinned += column.width;
      else wide += column.width;
    });
    this.pinned = pinned;
    this.scroller.setAttribute('role', tree ? 'treegrid' : 'grid');
    const width = `${pinned + wide}px`;
    this.body.style.width = width;
    this.head.style.width = width;
    this.body.style.height = `${count * ROW}px`;
    this.scroller.style.maxHeight = `${count * ROW + HEAD + 18}px`;
    this.pinHead.style.width = `${this.pinned}px`;
    this.scroller.setAttribute('aria-label', label);
    this.scroller.setAttribute('aria-rowcount', String(count + 1));
    this.scroller.setAttribute('aria-colcount', String(columns.length));
    this.showSelected();
    this.at.row = Math.max(0, Math.min(this.at.row, count - 1));
    this.at.column = Math.min(this.at.column, columns.length - 1);
    this.draw(true);
  }

  /** Where a row is now: runs that came or went have moved it. @param {Options} before @param {number} row */
  follow(before, row) {
    const { count, keys, order } = this.options;
    if (row >= before.count || String(before.order) !== String(order)) return row;
    const [key] = before.keys(row);
    if (row < count && keys(row)[0] === key) return row;
    for (let i = 0; i < count; i++) if (keys(i)[0] === key) return i;
    return row;
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
    const { columns, pins } = this.options;
    let first = pins;
    while (first < columns.length && this.left[first] + columns[first].width < from) first++;
    let last = first;
    while (last < columns.length && this.left[last] < to) last++;
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
    let next = 0;
    for (let index = first; index < last; index++) if (!placed.has(index)) this.fill(free[next++], index);
    for (const row of free.slice(next)) {
      row.index = -1;
      row.element.hidden = true;
    }
    this.mark();
    this.options.onColumns(from, to);
  }

  /** @param {Element} parent */
  makeHead(parent) {
    const element = make('div', 'head', parent);
    element.setAttribute('role', 'columnheader');
    const made = { element, caption: make('span', 'caption', element), title: make('span', 'title', element), more: make('button', 'more quiet', element), name: '' };
    made.more.textContent = '⋮';
    made.more.tabIndex = -1;
    make('span', 'grip', element);
    return made;
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
    head.element.setAttribute('aria-label', column.title);
    head.more.setAttribute('aria-label', `menu of ${column.title}`);
    head.caption.textContent = column.caption ?? '';
    head.title.textContent = column.title;
  }

  /** @param {number} from @param {number} to */
  drawHead(from, to) {
    const { columns, pins } = this.options;
    const place = (/** @type {any[]} */ heads, /** @type {Element} */ parent, /** @type {number} */ first, /** @type {number} */ last, /** @type {number} */ start) => {
      while (heads.length < last - first) heads.push(this.makeHead(parent));
      heads.forEach((head, i) => {
        const index = first + i;
        head.element.hidden = index >= last;
        if (index >= last) return;
        head.element.style.left = `${start + this.left[index]}px`;
        head.element.style.width = `${columns[index].width}px`;
        this.fillHead(head, columns[index], index);
      });
    };
    place(this.pinHeads, this.pinHead, 0, pins, 0);
    place(this.heads, this.head, from, to, this.pinned);
  }

  makeRow() {
    const element = make('div', 'row', this.body);
    element.setAttribute('role', 'row');
    const pin = make('div', 'pin', element);
    pin.setAttribute('role', 'presentation');
    const name = make('div', 'name', pin);
    name.setAttribute('role', 'gridcell');
    name.setAttribute('aria-colindex', '1');
    const box = make('span', 'box', name);
    const fold = make('span', 'fold', name);
    const dot = make('span', 'dot', name);
    const link = make('a', '', name);
    link.setAttribute('dir', 'auto');
    link.tabIndex = -1;
    box.setAttribute('aria-hidden', 'true');
    fold.setAttribute('aria-hidden', 'true');
    return { element, pin, name, box, fold, dot, link, cells: /** @type {any[]} */ ([]), pins: /** @type {any[]} */ ([]), index: -1 };
  }

  /** @param {any} row @param {number} index */
  fill(row, index) {
    const { columns, link, colour, pins, tree, depth, open } = this.options;
    const { from, to } = this;
    row.index = index;
    row.element.hidden = false;
    row.element.style.top = `${index * ROW}px`;
    row.element.dataset.row = String(index);
    row.element.setAttribute('aria-rowindex', String(index + 2));
    row.pin.style.width = `${this.pinned}px`;
    row.name.style.width = `${columns[0].width}px`;
    row.link.textContent = columns[0].text(index);
    const address = link(index);
    if (address) row.link.href = address;
    else row.link.removeAttribute('href');
    row.dot.hidden = !colour(index);
    row.dot.style.background = colour(index);
    const unfolded = open(index);
    row.fold.hidden = !tree;
    row.fold.textContent = unfolded === null ? '' : unfolded ? '▾' : '▸';
    row.fold.style.marginLeft = `${depth(index) * 16}px`;
    if (tree) row.element.setAttribute('aria-level', String(depth(index) + 1));
    else row.element.removeAttribute('aria-level');
    if (unfolded === null) row.element.removeAttribute('aria-expanded');
    else row.element.setAttribute('aria-expanded', String(unfolded));
    this.fillSelected(row);
    this.fillCells(row.pins, row.pin, index, 1, pins, 0);
    this.fillCells(row.cells, row.element, index, from, to, this.pinned);
  }

  /** @param {any[]} cells @param {Element} parent @param {number} row @param {number} first @param {number} last @param {number} start px */
  fillCells(cells, parent, row, first, last, start) {
    while (cells.length < last - first) {
      const cell = make('div', 'cell', parent);
      cell.setAttribute('role', 'gridcell');
      cell.append('');
      cells.push(cell);
    }
    cells.forEach((cell, i) => {
      const at = first + i;
      if (at >= last) {
        if (!cell.hidden) cell.hidden = true;
        return;
      }
      if (cell.hidden) cell.hidden = false;
      const column = this.options.columns[at];
      const left = start + this.left[at];
      const look = `cell${column.number ? ' number' : ''}${column.look ? ` ${column.look(row)}` : ''}`;
      if (cell.at !== at || cell.left !== left || cell.wide !== column.width) {
        Object.assign(cell, { at, left, wide: column.width });
        cell.style.left = `${left}px`;
        cell.style.width = `${column.width}px`;
        cell.setAttribute('aria-colindex', String(at + 1));
      }
      if (cell.look !== look) cell.className = cell.look = look;
      const text = column.text(row);
      if (cell.shown !== text) cell.firstChild.data = cell.shown = text;
      const mark = column.mark ? column.mark(row) : '';
      if ((cell.dataset.status ?? '') !== mark) {
        if (mark) cell.dataset.status = mark;
        else delete cell.dataset.status;
      }
    });
  }

  /** @param {any} row */
  fillSelected(row) {
    const keys = this.options.keys(row.index);
    const selected = keys.length > 0 && keys.every(key => this.options.selected.has(key));
    row.element.classList.toggle('selected', selected);
    row.element.setAttribute('aria-selected', String(selected));
  }

  // -- the cell that keys act on ---------------------------------------------------------------

  mark() {
    this.scroller.querySelectorAll('.here').forEach(element => {
      element.classList.remove('here');
      element.removeAttribute('id');
      /** @type {any} */ (element).look = null;
    });
    const row = this.rows.find(one => one.index === this.at.row);
    const { pins } = this.options;
    const cell = this.at.column === 0 ? row?.name : this.at.column < pins ? row?.pins[this.at.column - 1] : row?.cells[this.at.column - this.from];
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
    if (this.at.column >= this.options.pins) {
      const left = this.left[this.at.column];
      const wide = this.scroller.clientWidth - this.pinned;
      const right = left + columns[this.at.column].width;
      if (left < this.scroller.scrollLeft) this.scroller.scrollLeft = left;
      else if (right > this.scroller.scrollLeft + wide) this.scroller.scrollLeft = right - wide;
    }
    this.draw(false);
    this.mark();
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const at = /** @type {HTMLElement} */ (event.target);
    const head = at.closest('.head');
    if (at === this.all) return;
    if (head instanceof HTMLElement && head.dataset.column) {
      const column = this.options.columns[+head.dataset.column];
      if (at.closest('.more')) this.options.onMenu(+head.dataset.column, head.getBoundingClientRect());
      if (at.closest('.more, .grip') || this.dragged) return;
      if (column.sortable !== false) this.options.onSort(column.name, event.shiftKey);
      return;
    }
    const element = at.closest('.row');
    if (!(element instanceof HTMLElement) || at.closest('a[href]')) return;
    const row = Number(element.dataset.row);
    const cell = at.closest('.cell');
    const column = cell ? /** @type {any} */ (cell).at : 0;
    if (at.closest('.fold') || (at.closest('.name') && !at.closest('.box') && !this.options.link(row))) return this.options.onFold(row);
    if (at.closest('.box')) {
      if (event.shiftKey) this.selectRange(this.anchor, row);
      else this.select(row);
    }
    this.at = { row, column };
    this.mark();
  }

  /** @param {number} row @param {boolean} [on] */
  select(row, on) {
    const { selected, keys, count } = this.options;
    if (row >= count) return;
    const names = keys(row);
    const off = !(on ?? !names.every(name => selected.has(name)));
    for (const name of names) {
      if (off) selected.delete(name);
      else selected.add(name);
    }
    this.anchor = row;
    this.selectedChanged();
  }

  /** @param {number} from @param {number} to */
  selectRange(from, to) {
    for (let row = Math.min(from, to); row <= Math.max(from, to); row++) for (const key of this.options.keys(row)) this.options.selected.add(key);
    this.selectedChanged();
  }

  /** @param {boolean} on */
  selectAll(on) {
    const { selected, all } = this.options;
    selected.clear();
    if (on) for (const key of all) selected.add(key);
    this.selectedChanged();
  }

  showSelected() {
    const { selected, all } = this.options;
    this.all.checked = all.length > 0 && selected.size >= all.length;
    this.all.indeterminate = selected.size > 0 && selected.size < all.length;
  }

  selectedChanged() {
    for (const row of this.rows) if (row.index >= 0) this.fillSelected(row);
    this.showSelected();
    this.options.onSelect();
  }

  /** @param {number} column @returns {HTMLElement | undefined} */
  headOf(column) {
    return [...this.pinHeads, ...this.heads].find(one => one.index === column && !one.element.hidden)?.element;
  }
}
