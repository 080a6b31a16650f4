/** The filter of the run table, with what may come next. */
import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { columnAt, suggestions } from './completion.js';

/**
 * @param {{ text: string, wrong: boolean, uses: import('./columns.js').Use[], data: any, onChange: (text: string | null) => void }} props
 */
export function FilterBox({ text, wrong, uses, data, onChange }) {
  const [typed, setTyped] = useState(text);
  const [caret, setCaret] = useState(/** @type {number | null} */ (null));
  const [at, setAt] = useState(-1);
  const [, turn] = useState(0);
  const box = useRef(/** @type {any} */ (null));
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    const timer = setTimeout(() => typed !== text && onChange(typed || null), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  const before = caret === null ? '' : typed.slice(0, caret);
  const found = caret === null ? [] : suggestions(before, uses, data);
  const wanted = columnAt(before);
  useEffect(() => {
    if (wanted && data) data.fetch([wanted]).then((/** @type {boolean} */ came) => came && turn(n => n + 1), () => {});
  }, [wanted, data]);
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
        onChange(typed || null);
      } else if (e.key === 'Escape' && found.length) {
        setCaret(null);
        e.preventDefault();
      } else if (e.key === 'Escape' && typed) {
        setTyped('');
        onChange(null);
      } else if (e.key === 'Escape') e.target.blur();
    }} />
    <ul class="suggestions" id="filter-list" role="listbox" aria-label="what may come next" hidden=${!found.length}>${found.map((one, i) => html`<li role="option" id=${`filter-${i}`} key=${one.label} aria-selected=${i === at} onMouseDown=${(/** @type {any} */ e) => {
      e.preventDefault();
      take(one);
    }}><span dir="auto">${one.label}</span> <span class="dim small">${one.note}</span></li>`)}</ul></div>`;
}
