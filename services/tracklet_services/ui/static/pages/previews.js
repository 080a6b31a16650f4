/** What a file holds, shown as what it is. Nothing of it is run. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { fileText, fileUrl, get } from '../lib/api.js';
import { parseCsv } from '../lib/csv.js';
import * as format from '../lib/format.js';
import { Markdown } from '../lib/markdown.js';
import { Later, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { typeOf } from '../lib/signature.js';

const ROWS = 1000;

/** @typedef {{ kind: 'runs' | 'models', owner: string }} Owner */

/** @param {Owner} owner @returns {[string, string][]} */
export const owned = ({ kind, owner }) => [[kind === 'models' ? 'model' : 'run', owner]];

const notebook = () => import('./notebook.js');
const pictures = () => import('./pictures.js');

const NOT_OPENED = /** @type {Record<string, string>} */ ({
  pkl: 'A pickle runs code when it is opened, so it is not opened here.',
  pickle: 'A pickle runs code when it is opened, so it is not opened here.',
  joblib: 'A pickle runs code when it is opened, so it is not opened here.',
  pt: 'Weights of PyTorch may hold a pickle, so they are not opened here.',
  pth: 'Weights of PyTorch may hold a pickle, so they are not opened here.',
});

/** @param {{ owner: Owner, path: string, name: string, url: string, about: any }} props */
export function Body({ owner, path, name, url, about }) {
  const suffix = name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
  if (about.model) return html`<${Model} owner=${owner} path=${path} />`;
  if (about.is_dir) return html`<${Later} load=${pictures} props=${{ owner, path }} />`;
  if (!about.size) return html`<p class="dim">The file is empty.</p>`;
  if (about.type?.startsWith('image/')) return html`<${Picture} url=${url} name=${name} />`;
  if (about.type?.startsWith('audio/')) return html`<audio controls src=${url}></audio>`;
  if (about.type?.startsWith('video/')) return html`<video controls src=${url}></video>`;
  if (suffix === 'html' || suffix === 'htm') return html`<${Page} url=${`${url}?as=page`} name=${name} />`;
  if (suffix === 'parquet') return html`<${Parquet} owner=${owner} path=${path} />`;
  if (suffix === 'ipynb') return html`<${Later} load=${notebook} props=${{ owner, url }} />`;
  if (about.text) return html`<${Text} url=${url} name=${name} suffix=${suffix} owner=${owner} path=${path} />`;
  return html`<p>${NOT_OPENED[suffix] ?? 'This is no text and no picture, so only its size and name are shown.'}</p>`;
}

/** @param {{ url: string, name: string }} props */
export function Picture({ url, name }) {
  const [whole, setWhole] = useState(false);
  const [broken, setBroken] = useState(false);
  if (broken) return html`<p class="reason">The picture cannot be read: it may be torn, or of another kind than its name says.</p>`;
  return html`<button class=${whole ? 'picture whole' : 'picture'} aria-label=${whole ? 'fit the picture' : 'show the picture in its own size'} onClick=${() => setWhole(!whole)}><img src=${url} alt=${name} onError=${() => setBroken(true)} /></button>`;
}

/** @param {{ url: string, name: string }} props */
export function Page({ url, name }) {
  const [shown, setShown] = useState(false);
  if (!shown) return html`<p>A page of HTML may run scripts. In its frame it reaches neither this page nor the network. <button onClick=${() => setShown(true)}>show it</button></p>`;
  return html`<iframe class="frame" sandbox="allow-scripts" title=${name} src=${url}></iframe>`;
}

/** @param {{ url: string, name: string, suffix: string, owner: Owner, path: string }} props */
function Text({ url, name, suffix, owner, path }) {
  const { value: text, error, again } = useAnswer(signal => fileText(url, signal), url);
  const [raw, setRaw] = useState(false);
  const [figure, setFigure] = useState(/** @type {any} */ (null));
  let document = null;
  if (text !== null && suffix === 'json') {
    try {
      document = JSON.parse(text);
    } catch {
      document = null;
    }
  }
  const isFigure = document && Array.isArray(document.data) && document.data.every((/** @type {any} */ one) => one && typeof one === 'object' && !Array.isArray(one)) && (document.layout || document.data.some((/** @type {any} */ one) => one.x || one.y || one.z));
  const isTable = document && Array.isArray(document.columns) && Array.isArray(document.data) && !document.layout;
  useEffect(() => {
    if (isFigure) import('../figure/figure.js').then(module => setFigure(() => module.Figure));
  }, [isFigure]);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (text === null) return html`<${Waiting} />`;
  const special = isFigure || isTable || ['csv', 'tsv', 'md'].includes(suffix);
  const toggle = special && html`<p><button class="quiet small" aria-pressed=${raw} onClick=${() => setRaw(!raw)}>${raw ? 'as it is meant' : 'as text'}</button></p>`;
  let body = null;
  if (!raw && isFigure) body = figure ? html`<${figure} figure=${document} />` : html`<${Waiting} />`;
  else if (!raw && isTable) body = html`<${Grid} head=${document.columns.map(String)} rows=${document.data.slice(0, ROWS)} count=${document.data.length} />`;
  else if (!raw && (suffix === 'csv' || suffix === 'tsv')) {
    const { rows, count } = parseCsv(text, suffix === 'tsv' ? '\t' : ',', ROWS + 1);
    body = html`<${Grid} head=${rows[0] ?? []} rows=${rows.slice(1)} count=${count - 1} />`;
  } else if (!raw && suffix === 'md') {
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : '';
    body = html`<${Markdown} text=${text} image=${(/** @type {string} */ to) => (/^[a-z]+:|^\/|^#|\.\.(\/|$)/i.test(to) ? null : fileUrl(owner.kind, owner.owner, folder + to))} />`;
  } else body = html`<${Lines} text=${document && !raw ? JSON.stringify(document, null, 2) : text} label=${name} />`;
  return html`${toggle}${body}`;
}

/** @param {{ owner: Owner, path: string }} props */
function Parquet({ owner, path }) {
  const { value, error, again } = useAnswer(signal => get('parquet', [...owned(owner), ['path', path]], signal), path);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  return html`${value.all_columns > value.columns.length && html`<p class="dim small">${format.count(value.columns.length)} of ${format.count(value.all_columns)} columns are shown.</p>`}
    <${Grid} head=${value.columns} types=${value.types} rows=${value.data} count=${value.count} />`;
}

const LINES = 5000;

/** @param {{ text: string, label: string }} props */
function Lines({ text, label }) {
  const all = text.split('\n');
  return html`<pre class="code lines" tabindex="0" aria-label=${label}>${all.length > LINES ? all.slice(0, LINES).join('\n') : text}</pre>
    ${all.length > LINES && html`<p class="dim">${format.count(LINES)} of ${format.count(all.length)} lines are shown.</p>`}`;
}

/** @param {{ head: string[], types?: string[], rows: any[][], count: number }} props */
export function Grid({ head, types, rows, count }) {
  const [order, setOrder] = useState(/** @type {[number, number] | null} */ (null));
  const isNumber = (/** @type {any} */ v) => typeof v === 'number' || (typeof v === 'string' && v.trim() !== '' && !Number.isNaN(Number(v)));
  const kinds = head.map((_, i) => {
    const known = rows.map(row => row[i]).filter(v => v !== '' && v !== null && v !== undefined);
    return known.length > 0 && known.every(isNumber) ? 'number' : 'text';
  });
  let sorted = rows;
  if (order) {
    const [at, sign] = order;
    const key = (/** @type {any[]} */ row) => (kinds[at] === 'number' ? (row[at] === '' || row[at] === null ? NaN : Number(row[at])) : String(row[at] ?? ''));
    sorted = [...rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x !== x || y !== y) return Number(x !== x) - Number(y !== y);
      return (x < y ? -1 : x > y ? 1 : 0) * sign;
    });
  }
  const text = (/** @type {any} */ value) => (value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value ?? ''));
  return html`<p class="dim small">${rows.length < count ? `${format.count(rows.length)} of ` : ''}${format.count(count)} rows, ${head.length} columns</p>
    <div class="scroll boxed" tabindex="0"><table class="list"><thead><tr>${head.map((title, i) => html`<th scope="col" class=${kinds[i] === 'number' ? 'number' : ''}><button class="quiet" onClick=${() => setOrder(order?.[0] === i ? (order[1] === 1 ? [i, -1] : null) : [i, 1])}>${title}${order?.[0] === i ? (order[1] > 0 ? ' ↑' : ' ↓') : ''}</button>${types && html`<br /><span class="small">${types[i]}</span>`}</th>`)}</tr></thead>
    <tbody>${sorted.map(row => html`<tr>${head.map((_, i) => html`<td class=${kinds[i] === 'number' ? 'number' : ''} dir="auto">${text(row[i])}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** @param {{ owner: Owner, path: string, uri?: string }} props */
export function Model({ owner, path, uri: named }) {
  const { value, error, again } = useAnswer(signal => get('mlmodel', [...owned(owner), ['path', path]], signal), path);
  const isFile = path === 'MLmodel' || path.endsWith('/MLmodel');
  const raw = useAnswer(signal => fileText(fileUrl(owner.kind, owner.owner, isFile ? path : `${path}/MLmodel`), signal), path);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  const folder = isFile ? path.slice(0, -'/MLmodel'.length) : path;
  const uri = named ?? (owner.kind === 'runs' ? `runs:/${owner.owner}/${folder}` : `models:/${owner.owner}`);
  const part = (/** @type {string} */ name, /** @type {any[] | null} */ fields) => fields && html`<h3>${name}</h3><table class="pairs"><tbody>${fields.map(field => html`<tr><th scope="row" dir="auto">${field.name ?? '–'}</th><td>${typeOf(field)}</td></tr>`)}</tbody></table>`;
  const { inputs, outputs, params } = value.signature;
  return html`<div class="model">
    <p>${Object.entries(value.flavors).map(([name, of]) => html`<span class="badge">${name}${/** @type {any} */ (of)?.[`${name}_version`] ? ` ${/** @type {any} */ (of)[`${name}_version`]}` : ''}</span> `)}</p>
    ${Object.keys(value.flavors).length === 0 ? html`<p class="dim">It is kept elsewhere: only what is known of it is here, and nothing to load.</p>` : html`<h3>Loading it</h3>
    ${value.runs.length ? html`<p>runs code of the model:</p><ul>${value.runs.map((/** @type {string} */ act) => html`<li>${act}</li>`)}</ul>` : html`<p>runs no code of the model.</p>`}
    <pre class="code" tabindex="0">${`import tracklet\n\nmodel = tracklet.pyfunc.load_model(${JSON.stringify(uri)})\nmodel.predict(data)`}</pre>`}
    ${part('Inputs', inputs)}${part('Outputs', outputs)}${part('Params', params)}
    ${!inputs && !outputs && html`<p class="dim">It has no signature.</p>`}
    ${value.requirements !== null && html`<h3>Requirements</h3><pre class="code" tabindex="0">${value.requirements}</pre>`}
    ${raw.value && html`<details open=${isFile}><summary>MLmodel</summary><pre class="code" tabindex="0">${raw.value}</pre></details>`}
  </div>`;
}
