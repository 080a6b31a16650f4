/** The spans of a trace as a tree with the time that each took: only the rows in view are in the page. */
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from '../vendor/preact.js';
import { count } from '../lib/format.js';
import { criticalPath, took, treeOf, unfolded } from '../lib/spans.js';

const ROW = 28;
const SPARE = 8;
const DEEPEST = 16;

/** @param {number} whole */
const ticks = whole => [0, 0.25, 0.5, 0.75].map(part => ({ part, text: part ? took(whole * part) : '0' }));

/** @param {{ rows: any[][], selected: string, onSelect: (id: string) => void }} props */
export function Waterfall({ rows, selected, onSelect }) {
  const ordered = useMemo(() => treeOf(rows), [rows]);
  const path = useMemo(() => criticalPath(ordered), [ordered]);
  const whole = useMemo(() => ordered.reduce((most, one) => Math.max(most, one.at + (one.took ?? 0)), 1), [ordered]);
  const failed = useMemo(() => ordered.filter(one => one.status === 'ERROR').length, [ordered]);
  const [folded, setFolded] = useState(/** @type {Set<string>} */ (new Set()));
  const [find, setFind] = useState('');
  const [errors, setErrors] = useState(false);
  const [critical, setCritical] = useState(false);
  const [view, setView] = useState({ top: 0, height: 560 });
  const box = useRef(/** @type {any} */ (null));
  const wanted = find.toLowerCase();
  const narrowed = wanted || errors || critical;
  const shown = useMemo(
    () => (narrowed ? ordered.filter(one => (!wanted || `${one.name}\n${one.type}`.toLowerCase().includes(wanted)) && (!errors || one.status === 'ERROR') && (!critical || path.has(one.id))) : unfolded(ordered, folded)),
    [ordered, folded, wanted, errors, critical],
  );
  const at = shown.findIndex(one => one.id === selected);
  useLayoutEffect(() => {
    const measure = () => setView({ top: box.current.scrollTop, height: box.current.clientHeight });
    const seen = new ResizeObserver(measure);
    seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  useEffect(() => {
    if (at < 0) return;
    const host = box.current;
    if (at * ROW < host.scrollTop) host.scrollTop = at * ROW;
    else if ((at + 2) * ROW > host.scrollTop + host.clientHeight) host.scrollTop = (at + 2) * ROW - host.clientHeight;
  }, [selected, shown]);
  const fold = (/** @type {string} */ id, /** @type {boolean} */ shut) => {
    const next = new Set(folded);
    if (shut) next.add(id);
    else next.delete(id);
    setFolded(next);
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !shown.length) return;
    const page = Math.max(1, Math.floor(view.height / ROW) - 2);
    const one = shown[at];
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: shown.length - 1 };
    let to = moves[event.key];
    if (event.key === 'ArrowRight' && one?.children.length) {
      if (folded.has(one.id)) return void (fold(one.id, false), event.preventDefault());
      to = at + 1;
    } else if (event.key === 'ArrowLeft' && one) {
      if (one.children.length && !folded.has(one.id) && !narrowed) return void (fold(one.id, true), event.preventDefault());
      to = shown.findIndex(other => other.id === one.parent);
    }
    if (to === undefined) return;
    event.preventDefault();
    if (to >= 0 || at < 0) onSelect(shown[Math.max(0, Math.min(shown.length - 1, to))].id);
    else if (event.key !== 'ArrowLeft') onSelect(shown[0].id);
  };
  const first = Math.max(0, Math.floor(view.top / ROW) - SPARE);
  const last = Math.min(shown.length, Math.ceil((view.top + view.height) / ROW) + SPARE);
  const parents = ordered.filter(one => one.children.length && one.level > 1);
  return html`<div class="waterfall">
    <div class="bar">
      <input type="search" data-filter placeholder="find spans" aria-label="find spans" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} onKeyDown=${(/** @type {any} */ e) => e.key === 'Escape' && (find ? setFind('') : e.target.blur())} />
      <label class="check"><input type="checkbox" checked=${errors} disabled=${!failed && !errors} onChange=${(/** @type {any} */ e) => setErrors(e.target.checked)} />only errors <span class="dim">${failed}</span></label>
      <label class="check"><input type="checkbox" checked=${critical} onChange=${(/** @type {any} */ e) => setCritical(e.target.checked)} />critical path</label>
      ${parents.length > 0 && !narrowed && html`<button class="quiet small" onClick=${() => setFolded(folded.size ? new Set() : new Set(parents.map(one => one.id)))}>${folded.size ? 'unfold all' : 'fold all'}</button>`}
      <span class="grow"></span><span class="count">${shown.length === ordered.length ? count(ordered.length) : `${count(shown.length)} of ${count(ordered.length)}`} spans</span>
    </div>
    <div class="spans-head" aria-hidden="true"><span>span</span><span class="ticks">${ticks(whole).map(({ part, text }) => html`<span style=${{ left: `${part * 100}%` }}>${text}</span>`)}</span><span class="number">took</span></div>
    <div ref=${box} class="spans" role="treegrid" tabindex="0" aria-label="spans" aria-rowcount=${shown.length} aria-activedescendant=${at >= first && at < last ? 'span-here' : undefined} onScroll=${() => setView({ top: box.current.scrollTop, height: box.current.clientHeight })} onKeyDown=${onKey}>
      <div class="spans-body" role="presentation" style=${{ height: `${shown.length * ROW}px` }}>
      ${shown.slice(first, last).map((one, i) => html`<div key=${one.id} role="row" class="span-row" id=${one.id === selected ? 'span-here' : undefined} data-status=${one.status === 'ERROR' ? 'ERROR' : ''} style=${{ top: `${(first + i) * ROW}px` }} aria-level=${one.level} aria-rowindex=${first + i + 1} aria-selected=${one.id === selected} ...${one.children.length && !narrowed ? { 'aria-expanded': !folded.has(one.id) } : {}} onClick=${() => onSelect(one.id)}>
        <span role="gridcell" class="span-name" style=${{ paddingLeft: `${narrowed ? 6 : Math.min(one.level - 1, DEEPEST) * 14 + 4}px` }}>${one.children.length && !narrowed ? html`<span class="fold" aria-hidden="true" onClick=${(/** @type {any} */ e) => {
          e.stopPropagation();
          fold(one.id, !folded.has(one.id));
        }}>${folded.has(one.id) ? '▸' : '▾'}</span>` : html`<span class="fold" aria-hidden="true"></span>`}${one.level > DEEPEST && html`<span class="dim small">${one.level} </span>`}<span class="name" dir="auto">${one.name}</span>${one.status === 'ERROR' && html`<span class="failed-mark">failed</span>`}</span>
        <span role="gridcell" class="span-bar"><i class=${path.has(one.id) ? 'on-path' : ''} style=${{ left: `${(one.at / whole) * 100}%`, width: `${Math.max(0.2, ((one.took ?? whole - one.at) / whole) * 100)}%` }}></i></span>
        <span role="gridcell" class="number">${took(one.took)}</span>
      </div>`)}
      </div>
    </div>
    ${!shown.length && html`<p class="dim">${ordered.length ? 'No span matches.' : 'No spans were kept.'}</p>`}
  </div>`;
}
