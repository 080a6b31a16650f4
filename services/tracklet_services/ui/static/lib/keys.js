/** The keys that hold on every screen, and the list of all of them. */
import { html, signal, useEffect, useRef } from '../vendor/preact.js';
import { go } from './route.js';
import { preference, toast } from './state.js';

const shown = signal(false);

export const showHelp = () => (shown.value = true);

/** @type {[string, [string, string][]][]} */
const KEYS = [
  ['Everywhere', [
    ['?', 'this list'], ['/', 'to the filter or find box'], ['Esc', 'leave, close, clear'], ['g e', 'experiments'], ['g m', 'models'],
    ['g t', 'traces'], ['g d', 'doctor'], ['g s', 'settings'], ['1 … 9', 'the tabs of a page'], ['Ctrl+Z', 'undo what was just changed'],
  ]],
  ['In tables and trees', [
    ['arrows', 'to the next cell, node or span'], ['PgUp, PgDn', 'a page further'], ['Home, End', 'to the edge; with Ctrl of all'],
    ['Space', 'select'], ['Shift+arrows', 'select several'], ['Ctrl+A', 'select all'], ['Enter', 'open'], ['Ctrl+Enter', 'open in a new tab'], ['← →', 'fold and unfold'], ['s', 'sort by the column'], ['m', 'what can be done with the column'], ['p', 'make the run the baseline'],
  ]],
  ['In charts and notes', [['+ − 0', 'zoom in, out, show all'], ['Ctrl+Enter', 'save the note']]],
];

/** @type {Record<string, string>} */
const PLACES = { e: '#/', m: '#/models', t: '#/traces', d: '#/doctor', s: '#/settings' };
let before = '';

addEventListener('keydown', event => {
  const at = /** @type {HTMLElement} */ (event.target);
  if (event.isComposing || at.closest('input, textarea, select, [contenteditable], dialog')) return;
  if ((event.ctrlKey || event.metaKey) && event.key === 'z' && toast.value?.label === 'undo') {
    const { act } = toast.value;
    toast.value = null;
    act();
    event.preventDefault();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || preference('keys') === 'off') return;
  const after = before;
  before = event.key;
  if (after === 'g' && event.key in PLACES) go(PLACES[event.key]);
  else if (event.key === '?') showHelp();
  else if (event.key === '/') /** @type {HTMLElement | null} */ (document.querySelector('[data-filter]'))?.focus();
  else if (/^[1-9]$/.test(event.key)) /** @type {HTMLElement | undefined} */ (document.querySelectorAll('[role=tab]')[Number(event.key) - 1])?.click();
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);

export function Help() {
  const box = useRef(/** @type {any} */ (null));
  useEffect(() => {
    if (shown.value) box.current?.showModal();
  }, [shown.value]);
  if (!shown.value) return null;
  return html`<dialog ref=${box} class="help" aria-labelledby="help-title" onClose=${() => (shown.value = false)}>
    <div class="bar"><h2 id="help-title">Keys</h2><span class="grow"></span><button class="quiet" onClick=${() => box.current.close()}>close</button></div>
    ${preference('keys') === 'off' && html`<p class="reason">Single letters are switched off in the <a href="#/settings" onClick=${() => box.current.close()}>settings</a>.</p>`}
    <div class="help-groups">${KEYS.map(([title, keys]) => html`<section><h3>${title}</h3><table class="pairs"><tbody>${keys.map(([key, does]) => html`<tr><th scope="row"><kbd>${key}</kbd></th><td>${does}</td></tr>`)}</tbody></table></section>`)}</div>
  </dialog>`;
}
