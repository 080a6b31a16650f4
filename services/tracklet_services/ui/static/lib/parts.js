/** Small parts that every screen is made of. */
import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import * as format from './format.js';
import { awaiting } from './live.js';
import { say } from './state.js';

/** @param {{ name: string }} props */
export function Status({ name }) {
  return html`<span class="status" data-status=${name}>${format.status(name)}</span>`;
}

/** @param {{ text: string, label?: string }} props */
export function Copy({ text, label = 'copy' }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      say('copied');
    } catch {
      say('the browser does not let this page copy');
    }
  };
  return html`<button class="quiet small" onClick=${copy} aria-label=${`copy ${text.slice(0, 60)}`}>${label}</button>`;
}

/** @param {{ text: string }} props */
export function Id({ text }) {
  return html`<span class="id"><code>${text}</code><${Copy} text=${text} /></span>`;
}

/** @param {{ error: any, retry?: () => void }} props */
export function Trouble({ error, retry }) {
  return html`<div class="trouble" role="alert">
    <p class="message">${String(error.message ?? error)}</p>
    <p>
      ${retry && html`<button onClick=${retry}>try again</button>`}
      <${Copy} text=${`${error.status ?? ''} ${error.message ?? error}`} label="copy details" />
    </p>
  </div>`;
}

/** @param {{ trail: [string, string?][] }} props */
export function Crumbs({ trail }) {
  return html`<nav class="crumbs" aria-label="breadcrumb"><ol>
    ${trail.map(([text, address]) => html`<li>${address ? html`<a href=${address}>${text}</a>` : html`<span aria-current="page">${text}</span>`}</li>`)}
  </ol></nav>`;
}

/** Shown only where nothing was, and only when it takes a while. */
export function Waiting() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return late ? html`<div class="waiting" role="status" aria-busy="true" aria-label="loading"><i></i><i></i><i></i></div>` : null;
}

/**
 * What a question answers: again whenever its key changes; the old answer stays meanwhile.
 * @template T
 * @param {(signal: AbortSignal) => Promise<T>} ask @param {string} key
 * @returns {{ value: T | null, error: any, busy: boolean, again: () => void }}
 */
export function useAnswer(ask, key) {
  const [state, setState] = useState(/** @type {any} */ ({ value: null, error: null, busy: true }));
  const [turn, setTurn] = useState(0);
  // At once: a change that came between drawing and asking would have what was just asked given up.
  useLayoutEffect(() => {
    const controller = new AbortController();
    setState((/** @type {any} */ old) => ({ ...old, busy: true }));
    awaiting(ask(controller.signal)).then(
      value => !controller.signal.aborted && setState({ value, error: null, busy: false }),
      error => !controller.signal.aborted && setState((/** @type {any} */ old) => ({ value: old.value, error, busy: false })),
    );
    return () => controller.abort();
  }, [key, turn]);
  return { ...state, again: () => setTurn((/** @type {number} */ n) => n + 1) };
}

/**
 * What is typed into a box, told after a pause; that it was heard undoes nothing that was typed since.
 * @param {string} text What was heard. @param {(text: string | null) => void} onChange
 * @returns {[string, (typed: string) => void, (typed: string) => void]} What is typed, how to type, and how to tell at once.
 */
export function useTyped(text, onChange) {
  const [typed, setTyped] = useState(text);
  const told = useRef(text);
  const tell = (/** @type {string} */ next) => {
    told.current = next;
    setTyped(next);
    onChange(next || null);
  };
  useEffect(() => {
    if (text !== told.current) setTyped((told.current = text));
  }, [text]);
  useEffect(() => {
    const timer = setTimeout(() => typed !== told.current && tell(typed), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  return [typed, setTyped, tell];
}

/** @param {{ text: string, most?: number }} props A text that is cut, and says so. */
export function Long({ text, most = 300 }) {
  const [whole, setWhole] = useState(false);
  if (text.length <= most || whole) return html`<span class="long">${text}</span>`;
  return html`<span class="long">${text.slice(0, most)}… <button class="quiet small" onClick=${() => setWhole(true)}>all ${format.count(text.length)} characters</button></span>`;
}

/**
 * Two columns of keys and values with a find box.
 * @param {{ rows: [string, any][], empty: string, label: string }} props
 */
export function Pairs({ rows, empty, label }) {
  const [find, setFind] = useState('');
  const wanted = find.toLowerCase();
  const shown = wanted ? rows.filter(([k, v]) => `${k}\n${typeof v === 'string' ? v : ''}`.toLowerCase().includes(wanted)) : rows;
  if (!rows.length) return html`<p class="dim">${empty}</p>`;
  return html`<div>
    ${rows.length > 8 && html`<input type="search" placeholder="find" aria-label=${`find in ${label}`} value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />`}
    ${shown.length < rows.length && html`<p class="dim small">${shown.length} of ${rows.length}</p>`}
    <table class="pairs"><tbody>
      ${shown.slice(0, 500).map(([key, value]) => html`<tr key=${key}><th scope="row">${key}</th><td>${typeof value === 'string' ? html`<${Long} text=${value} />` : value}</td></tr>`)}
    </tbody></table>
    ${shown.length > 500 && html`<p class="dim">500 of ${format.count(shown.length)} are shown: find the others</p>`}
  </div>`;
}

/** A part whose code is fetched when it is shown. @param {{ load: () => Promise<any>, props: any }} props */
export function Later({ load, props }) {
  const [part, setPart] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    let here = true;
    load().then(
      module => here && setPart(() => module.default),
      problem => here && setError(problem),
    );
    return () => {
      here = false;
    };
  }, [load]);
  if (error) return html`<${Trouble} error=${error} retry=${() => location.reload()} />`;
  return part ? html`<${part} ...${props} />` : html`<${Waiting} />`;
}
