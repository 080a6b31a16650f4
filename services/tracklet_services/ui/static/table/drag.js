/** Columns are resized by their right edge, and moved by their heads. What keys do is in the menu. */

const LEAST = 60;
const SLACK = 6;

/** @param {import('./grid.js').Grid} grid */
export function watchDrag(grid) {
  const { scroller } = grid;
  scroller.addEventListener('pointerdown', event => {
    const at = /** @type {HTMLElement} */ (event.target);
    const head = at.closest('.head');
    grid.dragged = false;
    if (event.button !== 0 || !(head instanceof HTMLElement) || at.closest('.more, input')) return;
    const column = Number(head.dataset.column);
    const resizes = !!at.closest('.grip');
    const before = grid.options.columns[column].width;
    let to = column;
    const controller = new AbortController();
    const { signal } = controller;
    const width = (/** @type {PointerEvent} */ e) => Math.max(LEAST, Math.round(before + e.clientX - event.clientX));
    addEventListener('pointermove', e => {
      if (!grid.dragged && Math.abs(e.clientX - event.clientX) < SLACK) return;
      grid.dragged = true;
      if (resizes) {
        grid.options.columns[column].width = width(e);
        grid.update(grid.options);
        return;
      }
      const over = [...scroller.querySelectorAll('.head:not([hidden])')].find(one => {
        const { left, right } = one.getBoundingClientRect();
        return e.clientX >= left && e.clientX < right;
      });
      scroller.querySelectorAll('.head.drop').forEach(one => one.classList.remove('drop'));
      if (over instanceof HTMLElement) {
        to = Number(over.dataset.column);
        if (to !== column) over.classList.add('drop');
      }
    }, { signal });
    const end = (/** @type {PointerEvent} */ e) => {
      controller.abort();
      scroller.querySelectorAll('.head.drop').forEach(one => one.classList.remove('drop'));
      if (e.type === 'pointercancel' || !grid.dragged) return;
      if (resizes) grid.options.onResize(column, width(e));
      else if (to !== column) grid.options.onMove(column, to);
    };
    addEventListener('pointerup', end, { signal });
    addEventListener('pointercancel', end, { signal });
    event.preventDefault();
    scroller.focus({ preventScroll: true });
  });
}
