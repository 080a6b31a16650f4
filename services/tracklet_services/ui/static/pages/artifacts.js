/** The files of a run or a model: a tree, and beside it what a file holds. Nothing of it is run. */
import { html, useEffect, useErrorBoundary, useState } from '../vendor/preact.js';
import { fileText, fileUrl, get } from '../lib/api.js';
import { parseCsv } from '../lib/csv.js';
import * as format from '../lib/format.js';
import { Markdown } from '../lib/markdown.js';
import { Copy, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { route, setQuery } from '../lib/route.js';

const MOST = 2 << 20;
const ROWS = 1000;

/** @typedef {{ kind: 'runs' | 'models', owner: string }} Owner */

/** @param {Owner} owner @returns {[string, string][]} */
const owned = ({ kind, owner }) => [[kind === 'models' ? 'model' : 'run', owner]];

/** @param {Owner} owner */
export default function Artifacts(owner) {
  const path = route.value.query.get('path') ?? '';
  return html`<div class="artifacts">
    <div class="tree" role="tree" aria-label="artifacts" onKeyDown=${onTreeKey}><${Folder} owner=${owner} path="" open=${path} level=${1} /></div>
    <div class="preview">${path ? html`<${Preview} key=${path} owner=${owner} path=${path} />` : html`<p class="dim">Choose a file.</p>`}</div>
  </div>`;
}

/** @param {KeyboardEvent & { currentTarget: HTMLElement }} event */
function onTreeKey(event) {
  const items = /** @type {HTMLElement[]} */ ([...event.currentTarget.querySelectorAll('[role=treeitem]')]);
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  /** @type {Record<string, number>} */
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  if (event.key in to) {
    items[Math.max(0, Math.min(items.length - 1, to[event.key]))]?.focus();
    event.preventDefault();
  } else if (at >= 0 && (event.key === 'ArrowRight' || event.key === 'ArrowLeft')) {
    if (items[at].getAttribute('aria-expanded') === String(event.key === 'ArrowLeft')) items[at].click();
    event.preventDefault();
  }
}

/** @param {{ owner: Owner, path: string, open: string, level: number }} props */
function Folder({ owner, path, open, level }) {
  const { value, error, busy, again } = useAnswer(signal => get('tree', [...owned(owner), ['path', path]], signal), `${owner.owner}/${path}`);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return busy ? html`<${Waiting} />` : null;
  if (!value.files.length && !path) return html`<p class="dim">No artifacts were recorded.</p>`;
  return html`${value.files.slice(0, 1000).map((/** @type {any} */ file) => html`<${Entry} key=${file.path} owner=${owner} file=${file} open=${open} level=${level} />`)}
    ${value.count > Math.min(1000, value.files.length) && html`<p class="dim small">${format.count(Math.min(1000, value.files.length))} of ${format.count(value.count)} are shown</p>`}`;
}

/** @param {{ owner: Owner, file: any, open: string, level: number }} props */
function Entry({ owner, file, open, level }) {
  const within = open === file.path || open.startsWith(`${file.path}/`);
  const [expanded, setExpanded] = useState(within);
  useEffect(() => {
    if (within) setExpanded(true);
  }, [within]);
  const name = file.path.slice(file.path.lastIndexOf('/') + 1);
  const pick = () => {
    if (file.is_dir) setExpanded(!expanded);
    setQuery({ path: file.path });
  };
  return html`<div role="none">
    <button role="treeitem" class="entry" style=${{ paddingLeft: `${level * 14 - 4}px` }} aria-level=${level} aria-selected=${open === file.path} ...${file.is_dir ? { 'aria-expanded': expanded } : {}} onClick=${pick}>
      <span aria-hidden="true" class="glyph">${file.is_dir ? (expanded ? '▾' : '▸') : ''}</span><span class="name" dir="auto">${name}</span><span class="dim small">${file.is_dir ? '' : format.bytes(file.size)}</span>
    </button>
    ${file.is_dir && expanded && html`<div role="group"><${Folder} owner=${owner} path=${file.path} open=${open} level=${level + 1} /></div>`}
  </div>`;
}

/** @param {{ owner: Owner, path: string }} props */
function Preview({ owner, path }) {
  const { value: about, error, again } = useAnswer(signal => get('describe', [...owned(owner), ['path', path]], signal), path);
  const [anyway, setAnyway] = useState(false);
  const [broken, mend] = useErrorBoundary();
  const name = path.slice(path.lastIndexOf('/') + 1);
  const url = fileUrl(owner.kind, owner.owner, path);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!about) return html`<${Waiting} />`;
  const large = !about.is_dir && about.size > MOST && !anyway;
  return html`<div class="bar"><h2 dir="auto">${name}</h2>
      ${!about.is_dir && html`<span class="dim small">${format.bytes(about.size)} · ${format.age(about.changed)}</span>`}
      <span class="grow"></span><${Copy} text=${`${owner.kind === 'runs' ? `runs:/${owner.owner}` : `models:/${owner.owner}`}/${path}`} label="copy URI" />
      ${!about.is_dir && html`<a class="button" href=${`${url}?download=1`} download=${name}>download</a>`}</div>
    ${broken ? html`<${Trouble} error=${broken} retry=${mend} />` : large ? html`<p>This file has ${format.bytes(about.size)}. <button onClick=${() => setAnyway(true)}>show it anyway</button></p>` : html`<${Body} owner=${owner} path=${path} name=${name} url=${url} about=${about} />`}`;
}

const NOT_OPENED = /** @type {Record<string, string>} */ ({
  pkl: 'A pickle runs code when it is opened, so it is not opened here.',
  pickle: 'A pickle runs code when it is opened, so it is not opened here.',
  joblib: 'A pickle runs code when it is opened, so it is not opened here.',
  pt: 'Weights of PyTorch may hold a pickle, so they are not opened here.',
  pth: 'Weights of PyTorch may hold a pickle, so they are not opened here.',
});

/** @param {{ owner: Owner, path: string, name: string, url: string, about: any }} props */
function Body({ owner, path, name, url, about }) {
  const suffix = name.includes('.') ? name.slice(name.lastIndexOf('.') + 1).toLowerCase() : '';
  if (about.model) return html`<${Model} owner=${owner} path=${path} />`;
  if (about.is_dir) return html`<p class="dim">A folder.</p>`;
  if (!about.size) return html`<p class="dim">The file is empty.</p>`;
  if (about.type?.startsWith('image/')) return html`<${Picture} url=${url} name=${name} />`;
  if (about.type?.startsWith('audio/')) return html`<audio controls src=${url}></audio>`;
  if (about.type?.startsWith('video/')) return html`<video controls src=${url}></video>`;
  if (suffix === 'html' || suffix === 'htm') return html`<${Page} url=${url} name=${name} />`;
  if (about.text) return html`<${Text} url=${url} name=${name} suffix=${suffix} owner=${owner} path=${path} />`;
  return html`<p>${NOT_OPENED[suffix] ?? 'This is no text and no picture, so only its size and name are shown.'}</p>`;
}

/** @param {{ url: string, name: string }} props */
function Picture({ url, name }) {
  const [whole, setWhole] = useState(false);
  const [broken, setBroken] = useState(false);
  if (broken) return html`<p class="reason">The picture cannot be read: it may be torn, or of another kind than its name says.</p>`;
  return html`<button class=${whole ? 'picture whole' : 'picture'} aria-label=${whole ? 'fit the picture' : 'show the picture in its own size'} onClick=${() => setWhole(!whole)}><img src=${url} alt=${name} onError=${() => setBroken(true)} /></button>`;
}

/** @param {{ url: string, name: string }} props */
function Page({ url, name }) {
  const [shown, setShown] = useState(false);
  if (!shown) return html`<p>A page of HTML may run scripts. In its frame it reaches neither this page nor the network. <button onClick=${() => setShown(true)}>show it</button></p>`;
  return html`<iframe class="frame" sandbox="allow-scripts" title=${name} src=${`${url}?as=page`}></iframe>`;
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

const LINES = 5000;

/** @param {{ text: string, label: string }} props */
function Lines({ text, label }) {
  const all = text.split('\n');
  return html`<pre class="code lines" tabindex="0" aria-label=${label}>${all.length > LINES ? all.slice(0, LINES).join('\n') : text}</pre>
    ${all.length > LINES && html`<p class="dim">${format.count(LINES)} of ${format.count(all.length)} lines are shown.</p>`}`;
}

/** @param {{ head: string[], rows: any[][], count: number }} props */
function Grid({ head, rows, count }) {
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
    <div class="scroll boxed" tabindex="0"><table class="list"><thead><tr>${head.map((title, i) => html`<th scope="col" class=${kinds[i] === 'number' ? 'number' : ''}><button class="quiet" onClick=${() => setOrder(order?.[0] === i ? (order[1] === 1 ? [i, -1] : null) : [i, 1])}>${title}${order?.[0] === i ? (order[1] > 0 ? ' ↑' : ' ↓') : ''}</button></th>`)}</tr></thead>
    <tbody>${sorted.map(row => html`<tr>${head.map((_, i) => html`<td class=${kinds[i] === 'number' ? 'number' : ''} dir="auto">${text(row[i])}</td>`)}</tr>`)}</tbody></table></div>`;
}

/** @param {{ owner: Owner, path: string }} props */
function Model({ owner, path }) {
  const { value, error, again } = useAnswer(signal => get('mlmodel', [...owned(owner), ['path', path]], signal), path);
  const isFile = path === 'MLmodel' || path.endsWith('/MLmodel');
  const raw = useAnswer(signal => fileText(fileUrl(owner.kind, owner.owner, isFile ? path : `${path}/MLmodel`), signal), path);
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  const folder = isFile ? path.slice(0, -'/MLmodel'.length) : path;
  const uri = owner.kind === 'runs' ? `runs:/${owner.owner}/${folder}` : `models:/${owner.owner}`;
  const part = (/** @type {string} */ name, /** @type {any[] | null} */ fields) => fields && html`<h3>${name}</h3><table class="pairs"><tbody>${fields.map(field => html`<tr><th scope="row" dir="auto">${field.name ?? '–'}</th><td>${field.type === 'tensor' ? `tensor ${field['tensor-spec']?.dtype} [${field['tensor-spec']?.shape}]` : typeof field.type === 'object' ? JSON.stringify(field.type) : field.type}${field.required === false ? ', optional' : ''}${field.default !== undefined ? ` = ${JSON.stringify(field.default)}` : ''}</td></tr>`)}</tbody></table>`;
  const { inputs, outputs, params } = value.signature;
  return html`<div class="model">
    <p>${Object.entries(value.flavors).map(([name, of]) => html`<span class="badge">${name}${/** @type {any} */ (of)?.[`${name}_version`] ? ` ${/** @type {any} */ (of)[`${name}_version`]}` : ''}</span> `)}</p>
    <h3>Loading it</h3>
    ${value.runs.length ? html`<p>runs code of the model:</p><ul>${value.runs.map((/** @type {string} */ act) => html`<li>${act}</li>`)}</ul>` : html`<p>runs no code of the model.</p>`}
    <pre class="code">${`import tracklet\n\nmodel = tracklet.pyfunc.load_model("${uri}")\nmodel.predict(data)`}</pre>
    ${part('Inputs', inputs)}${part('Outputs', outputs)}${part('Params', params)}
    ${!inputs && !outputs && html`<p class="dim">It has no signature.</p>`}
    ${value.requirements !== null && html`<h3>Requirements</h3><pre class="code">${value.requirements}</pre>`}
    ${raw.value && html`<details open=${isFile}><summary>MLmodel</summary><pre class="code">${raw.value}</pre></details>`}
  </div>`;
}
