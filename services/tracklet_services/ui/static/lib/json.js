/** A value of JSON as a tree that is opened where one wants to see more. */
import { html, useState } from '../vendor/preact.js';
import { count } from './format.js';
import { Copy, Long } from './parts.js';

const MOST = 100;
/** How many entries a value may have to stand open. */
const SMALL = 12;

/** @param {{ value: any, label: string, open?: boolean }} props */
export function Json({ value, label, open = true }) {
  return html`<div class="json" role="group" aria-label=${label}>
    <div class="bar"><h3>${label}</h3><span class="grow"></span><${Copy} text=${typeof value === 'string' ? value : JSON.stringify(value, null, 2)} /></div>
    <${Value} value=${value} depth=${0} open=${open} />
  </div>`;
}

/** @param {{ name?: string, value: any, depth: number, open: boolean }} props */
function Value({ name, value, depth, open }) {
  const key = name === undefined ? '' : html`<span class="json-key" dir="auto">${name}</span>`;
  if (value === null || typeof value !== 'object') {
    const kind = value === null ? 'null' : typeof value;
    return html`<div class="json-leaf">${key}<span class="json-value" data-kind=${kind} dir="auto">${kind === 'string' ? html`<${Long} text=${value} most=${1200} />` : String(value)}</span></div>`;
  }
  return html`<${Branch} mark=${key} value=${value} depth=${depth} open=${open} />`;
}

/** @param {{ mark: any, value: any, depth: number, open: boolean }} props */
function Branch({ mark, value, depth, open }) {
  const isList = Array.isArray(value);
  const entries = /** @type {[string, any][]} */ (Object.entries(value));
  const [shown, setShown] = useState(open && (depth === 0 || (depth < 3 && entries.length <= SMALL)));
  const [most, setMost] = useState(MOST);
  const size = isList ? `[${count(entries.length)}]` : `{${count(entries.length)}}`;
  if (!entries.length) return html`<div class="json-leaf">${mark}<span class="dim">${isList ? '[]' : '{}'}</span></div>`;
  return html`<div>
    <button class="quiet small json-fold" aria-expanded=${shown} onClick=${() => setShown(!shown)}><span aria-hidden="true" class="glyph">${shown ? '▾' : '▸'}</span>${mark}<span class="dim">${size}</span></button>
    ${shown && html`<div class="json-in">${entries.slice(0, most).map(([key, one]) => html`<${Value} key=${key} name=${key} value=${one} depth=${depth + 1} open=${open} />`)}
      ${entries.length > most && html`<button class="quiet small" onClick=${() => setMost(most + 10 * MOST)}>${count(most)} of ${count(entries.length)} are shown: more</button>`}</div>`}
  </div>`;
}
