/** The filter of the run table, with what may come next. */
import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { useTyped } from '../lib/parts.js';
import { columnAt, suggestions } from './completion.js';

/**
 * @param {{ text: string, wrong: boolean, uses: import('./columns.js').Use[], valuesOf: (name: string, signal: AbortSignal) => Promise<any>, of: string, onChange: (text: string | null) => void }} props
 *   `valuesOf` gives the column of a name over all runs that could be looked for, which are those of `of`.
 */
export function FilterBox({ text, wrong, uses, valuesOf, of, onChange }) {
  const [typed, setTyped, tell] = useTyped(text, onChange);
  const [caret, setCaret] = useState(/** @type {number | null} */ (null));
  const [at, setAt] = useState(-1);
  const [known, setKnown] = useState(/** @type {{ name: string, column: any } | null} */ (null));
  const box = useRef(/** @type {any} */ (null));
  const before = caret === null ? '' : typed.slice(0, caret);
  const wanted = columnAt(before);
  const found = caret === null ? [] : suggestions(before, uses, known?.name === wanted ? known.column : null);
  useEffect(() => {
    if (!wanted) return undefined;
    const controller = new AbortController();
    valuesOf(wanted, controller.signal).then(column => !controller.signal.aborted && setKnown({ name: wanted, column }), () => {});
    return () => controller.abort();
  }, [wanted, of]);
  const take = (/** @type {import('./completion.js').Suggestion} */ one) => {
    const next = typed.slice(0, one.from) + one.text + typed.slice(caret ?? typed.length).replace(/^'?\s*/, '');
    setTyped(next);
    setAt(-1);
    setCaret(one.from + one.text.length);
    requestAnimationFrame(() => {
      box.current?.focus();
      box.current?.setSelectionRange(one.from + one.text.length, one.from + one.text.length);
    });
  };
  const note = (/** @type {any} */ e) => setCaret(e.target.selectionStart);
  return html`<div class="filter-box"><input ref=${box} class="filter" data-filter type="search" role="combobox" aria-expanded=${found.length > 0} aria-controls="filter-list" aria-autocomplete="list" aria-activedescendant=${at >= 0 && at < found.length ? `filter-${at}` : undefined} spellcheck=${false} autocomplete="off" placeholder="filter: metrics.auc > 0.8 and params.model = 'xgb', or a name" aria-label="filter runs" aria-invalid=${wrong} value=${typed}
    onInput=${(/** @type {any} */ e) => {
      setTyped(e.target.value);
      setAt(-1);
      note(e);
    }} onClick=${note} onBlur=${() => setCaret(null)} onKeyDown=${(/** @type {any} */ e) => {
      if (e.isComposing) return;
      if (found.length && (e.key === 'ArrowDown' || e.key === 'ArrowUp')) {
        setAt((at + (e.key === 'ArrowDown' ? 1 : found.length + (at < 0 ? 1 : 0) - 1)) % found.length);
        e.preventDefault();
      } else if (at >= 0 && found[at] && (e.key === 'Enter' || e.key === 'Tab')) {
        take(found[at]);
        e.preventDefault();
      } else if (e.key === 'Enter') {
        setCaret(null);
        tell(typed);
      } else if (e.key === 'Escape' && found.length) {
        setCaret(null);
        e.preventDefault();
      } else if (e.key === 'Escape' && typed) {
        tell('');
      } else if (e.key === 'Escape') e.target.blur();
    }} />
    <ul class="suggestions" id="filter-list" role="listbox" aria-label="what may come next" hidden=${!found.length}>${found.map((one, i) => html`<li role="option" id=${`filter-${i}`} key=${one.label} aria-selected=${i === at} onMouseDown=${(/** @type {any} */ e) => {
      e.preventDefault();
      take(one);
    }}><span dir="auto">${one.label}</span> <span class="dim small">${one.note}</span></li>`)}</ul></div>`;
}
