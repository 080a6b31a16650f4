/** What keys do in the table. */

/** The height of a row and of the head, px. */
export const ROW = 30;
export const HEAD = 44;

/** @param {import('./grid.js').Grid} grid @param {KeyboardEvent} event */
export function onKey(grid, event) {
  if (event.altKey || event.isComposing) return;
  const { row, column } = grid.at;
  const edge = event.ctrlKey || event.metaKey;
  const { count, columns } = grid.options;
  const page = Math.max(1, Math.floor((grid.scroller.clientHeight - HEAD) / ROW) - 1);
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
  const open = column === 0 ? grid.options.open(row) : null;
  if ((event.key === 'ArrowRight' && open === false) || (event.key === 'ArrowLeft' && open)) {
    grid.options.onFold(row);
    event.preventDefault();
    return;
  }
  const move = moves[event.key];
  if (move) {
    if (event.shiftKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      grid.select(row, true);
      grid.select(Math.max(0, Math.min(move[0], count - 1)), true);
    }
    grid.goTo(...move);
  } else if (event.key === ' ') {
    grid.select(row);
  } else if (event.key === 'Enter' && count) {
    if (!grid.options.link(row)) grid.options.onFold(row);
    else if (edge) window.open(grid.options.link(row));
    else location.hash = grid.options.link(row).slice(1);
  } else if ((event.key === 'm' && !edge) || event.key === 'ContextMenu') {
    grid.options.onMenu(column, (grid.headOf(column) ?? grid.scroller).getBoundingClientRect());
  } else if (event.key === 'p' && !edge) {
    grid.options.onBase(row);
  } else if (event.key === 'a' && edge) {
    grid.selectAll(true);
  } else if (event.key === 's' && !edge) {
    grid.options.onSort(columns[column].name, event.shiftKey);
  } else if (event.key === 'Escape' && grid.options.selected.size) {
    grid.selectAll(false);
  } else {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}
