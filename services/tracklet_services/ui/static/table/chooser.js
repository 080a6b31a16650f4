/** Which columns are shown: by kind and prefix, with a find box. */
import { html, useState } from '../vendor/preact.js';
import { count } from '../lib/format.js';
import { isOwn } from './columns.js';

const MOST = 300;

/** @typedef {import('./columns.js').Use} Use */

/** @param {{ uses: Use[], names: string[], onChange: (names: string[] | null) => void, onClose: () => void }} props */
export function Chooser({ uses, names, onChange, onClose }) {
  const [find, setFind] = useState('');
  const [own, setOwn] = useState(false);
  const chosen = new Set(names);
  const wanted = find.toLowerCase();
  const listed = uses.filter(([, key]) => (own || !isOwn(key)) && key.toLowerCase().includes(wanted));
  const toggle = (/** @type {string[]} */ which, /** @type {boolean} */ on) => {
    const rest = names.filter(name => !which.includes(name));
    onChange(on ? [...rest, ...which] : rest);
  };
  const all = listed.map(([kind, key]) => `${kind}.${key}`);
  return html`<section class="chooser" aria-label="columns" onKeyDown=${(/** @type {any} */ e) => e.key === 'Escape' && onClose()}>
    <div class="bar">
      <input type="search" placeholder="find keys" aria-label="find keys" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />
      <button disabled=${!all.length || all.length > MOST} onClick=${() => toggle(all, true)}>check ${count(all.length)}</button>
      <button disabled=${!all.length} onClick=${() => toggle(all, false)}>uncheck</button>
      <button class="quiet" onClick=${() => onChange(null)}>the usual ones</button>
      <label class="check"><input type="checkbox" checked=${own} onChange=${(/** @type {any} */ e) => setOwn(e.target.checked)} />also system</label>
      <span class="grow"></span><button class="quiet" onClick=${onClose}>close</button>
    </div>
    <div class="kinds">${(/** @type {['metric', 'param', 'tag']} */ (['metric', 'param', 'tag'])).map(kind => {
      const of = listed.filter(use => use[0] === kind);
      return html`<fieldset><legend>${kind}s <span class="dim">${count(of.length)}</span></legend>
        ${of.slice(0, MOST).map(([, key, runs, differs]) => {
          const name = `${kind}.${key}`;
          return html`<label class="check" key=${name}><input type="checkbox" checked=${chosen.has(name)} onChange=${(/** @type {any} */ e) => toggle([name], e.target.checked)} /><span dir="auto">${key}</span> <span class="dim small">${count(runs)}${differs ? '' : ' · same'}</span></label>`;
        })}
        ${of.length > MOST && html`<p class="dim small">${MOST} of ${count(of.length)}: find the others</p>`}
        ${!of.length && html`<p class="dim small">none</p>`}
      </fieldset>`;
    })}</div>
  </section>`;
}
