/** A notebook: its texts, code and outputs, as they were saved. Nothing of it is run. */
import { html } from '../vendor/preact.js';
import { fileText } from '../lib/api.js';
import { plain } from '../lib/ansi.js';
import { Markdown } from '../lib/markdown.js';
import { Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { Page } from './previews.js';

const MOST = 300;
const LONGEST = 100_000;
const LARGEST = 4_000_000;

/** @param {any} text Notebooks keep texts whole or by lines. @param {number} [most] */
const joined = (text, most = LONGEST) => (Array.isArray(text) ? text.map(String).join('') : String(text ?? '')).slice(0, most);

/** @param {{ url: string }} props */
export default function Notebook({ url }) {
  const { value, error, again } = useAnswer(async signal => {
    const document = JSON.parse(await fileText(url, signal));
    if (!Array.isArray(document?.cells)) throw new Error('This is no notebook: it has no cells.');
    return document.cells.filter((/** @type {any} */ cell) => cell && typeof cell === 'object');
  }, url);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  return html`<div class="notebook">${value.slice(0, MOST).map((/** @type {any} */ cell, /** @type {number} */ i) => html`<section key=${i} aria-label=${`cell ${i + 1}`}>
      ${cell.cell_type === 'markdown' ? html`<${Markdown} text=${joined(cell.source)} image=${() => null} />` : html`<pre class="code" tabindex="0">${joined(cell.source)}</pre>`}
      ${(Array.isArray(cell.outputs) ? cell.outputs : []).map((/** @type {any} */ output, /** @type {number} */ k) => html`<${Output} key=${k} output=${output} url=${`${url}?as=page&output=${i}.${k}`} name=${`output ${k + 1} of cell ${i + 1}`} />`)}
    </section>`)}
    ${value.length > MOST && html`<p class="dim">${MOST} of ${value.length} cells are shown.</p>`}</div>`;
}

const PICTURES = ['image/png', 'image/jpeg', 'image/gif'];

/** @param {{ output: any, url: string, name: string }} props */
function Output({ output, url, name }) {
  const data = output?.data && typeof output.data === 'object' ? output.data : {};
  const type = PICTURES.find(one => data[one]);
  const picture = type ? joined(data[type], LARGEST).replace(/\s/g, '') : '';
  // A cut picture is none.
  if (type && /^[A-Za-z0-9+/=]+$/.test(picture) && picture.length < LARGEST) return html`<img src=${`data:${type};base64,${picture}`} alt=${name} />`;
  if (type) return html`<p class="dim small">A picture that is too large to be shown here, or torn.</p>`;
  if (output?.output_type === 'error') return html`<pre class="code reason">${plain(joined(Array.isArray(output.traceback) ? output.traceback.join('\n') : output.evalue))}</pre>`;
  const text = joined(output?.text ?? data['text/plain'] ?? '');
  return html`${text && html`<pre class="code output">${plain(text)}</pre>`}${data['text/html'] && html`<${Page} url=${url} name=${name} />`}`;
}
