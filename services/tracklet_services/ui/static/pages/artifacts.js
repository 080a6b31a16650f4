/** The files of a run or a model: a tree, and beside it what a file holds. Nothing of it is run. */
import { html, useEffect, useErrorBoundary, useState } from '../vendor/preact.js';
import { fileUrl, get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Copy, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { route, setQuery } from '../lib/route.js';
import { Body, owned } from './previews.js';

const MOST = 2 << 20;

/** @typedef {import('./previews.js').Owner} Owner */

/** @param {Owner} owner */
export default function Artifacts(owner) {
  const path = route.value.query.get('path') ?? '';
  return html`<div class="artifacts">
    <div class="tree" role="tree" aria-label="artifacts" onKeyDown=${onTreeKey}><${Folder} owner=${owner} path="" open=${path} level=${1} /></div>
    <div class="preview">${path ? html`<${Preview} key=${path} owner=${owner} path=${path} />` : html`<${Whole} owner=${owner} />`}</div>
  </div>`;
}

/** What there is in all, while no file is chosen. @param {{ owner: Owner }} props */
function Whole({ owner }) {
  const { value: about } = useAnswer(signal => get('describe', [...owned(owner), ['path', '']], signal), owner.owner);
  return html`<p class="dim">Choose a file.</p>${about?.files > 0 && html`<p><${Zip} owner=${owner} path="" about=${about} /></p>`}`;
}

/** A folder as one file, after what that will be. @param {{ owner: Owner, path: string, about: any }} props */
function Zip({ owner, path, about }) {
  const name = path.slice(path.lastIndexOf('/') + 1) || owner.owner;
  return html`<a class="button" href=${fileUrl(owner.kind, owner.owner, path, `?zip=${encodeURIComponent(name)}`)} download=${`${name}.zip`}>download ${path ? 'the folder' : 'all'} (zip)</a> <span class="dim small">${format.count(about.files)} ${about.files === 1 ? 'file' : 'files'}, ${format.bytes(about.bytes)}</span>`;
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
      ${about.is_dir ? about.files > 0 && html`<${Zip} owner=${owner} path=${path} about=${about} />` : html`<a class="button" href=${`${url}?download=1`} download=${name}>download</a>`}</div>
    ${broken ? html`<${Trouble} error=${broken} retry=${mend} />` : large ? html`<p>This file has ${format.bytes(about.size)}. <button onClick=${() => setAnyway(true)}>show it anyway</button></p>` : html`<${Body} owner=${owner} path=${path} name=${name} url=${url} about=${about} />`}`;
}
