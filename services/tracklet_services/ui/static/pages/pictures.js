/** The pictures of a folder side by side; those of a series by one step. */
import { html, useState } from '../vendor/preact.js';
import { fileUrl, get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { setQuery } from '../lib/route.js';
import { owned } from './previews.js';

const PICTURE = /\.(png|jpe?g|gif|webp|avif|svg|bmp)$/i;
const SERIES = /^(.*)[%+]step[%+](\d+)[%+]timestamp[%+](\d+)[%+][^/]*\.\w+$/;
const MOST = 120;

/** @typedef {{ key: string, step: number, time: number, path: string }} Shot */

/** What `log_image` names: its key, step and time. @param {string} path @returns {Shot | null} */
export function shotOf(path) {
  if (!PICTURE.test(path) || /compressed\.\w+$/.test(path)) return null;
  const match = SERIES.exec(path.slice(path.lastIndexOf('/') + 1));
  return match ? { key: match[1].replace(/[#~]/g, '/'), step: Number(match[2]), time: Number(match[3]), path } : null;
}

/** Of each series the last picture up to a step. @param {Shot[]} shots @param {number} step @returns {Map<string, Shot>} */
export function at(shots, step) {
  /** @type {Map<string, Shot>} */
  const found = new Map();
  for (const shot of shots) {
    const known = found.get(shot.key);
    if (shot.step <= step && (!known || shot.step > known.step || (shot.step === known.step && shot.time > known.time))) found.set(shot.key, shot);
  }
  return found;
}

/** @param {{ steps: number[], step: number, onStep: (step: number) => void }} props */
export function Steps({ steps, step, onStep }) {
  return html`<label class="check">step <input type="range" min="0" max=${steps.length - 1} value=${steps.indexOf(step)} aria-valuetext=${`step ${step}`} onInput=${(/** @type {any} */ e) => onStep(steps[Number(e.target.value)])} /><output>${format.count(step)}</output></label>`;
}

/** @param {{ owner: import('./previews.js').Owner, path: string }} props */
export default function Pictures({ owner, path }) {
  const { value, error, again } = useAnswer(signal => get('tree', [...owned(owner), ['path', path]], signal), `${owner.owner}/${path}`);
  const [asked, setStep] = useState(/** @type {number | null} */ (null));
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  const files = value.files.filter((/** @type {any} */ file) => !file.is_dir);
  const shots = /** @type {Shot[]} */ (files.map((/** @type {any} */ file) => shotOf(file.path)).filter(Boolean));
  const steps = [...new Set(shots.map(shot => shot.step))].sort((a, b) => a - b);
  const step = asked ?? steps[steps.length - 1];
  const single = files.filter((/** @type {any} */ file) => PICTURE.test(file.path) && !SERIES.test(file.path.slice(file.path.lastIndexOf('/') + 1))).map((/** @type {any} */ file) => [file.path.slice(file.path.lastIndexOf('/') + 1), file.path]);
  const shown = [...[...at(shots, step)].map(([key, shot]) => [shot.step === step ? key : `${key} (step ${shot.step})`, shot.path]), ...single];
  return html`<p class="dim">${format.count(value.count)} ${value.count === 1 ? 'entry' : 'entries'}</p>
    ${steps.length > 1 && html`<div class="bar"><${Steps} steps=${steps} step=${step} onStep=${setStep} /></div>`}
    ${shown.length > 0 && html`<ul class="pictures">${shown.slice(0, MOST).map(([title, to]) => html`<li key=${to}><button class="picture" onClick=${() => setQuery({ path: to })}><img loading="lazy" src=${fileUrl(owner.kind, owner.owner, to)} alt=${title} /></button><span class="small" dir="auto">${title}</span></li>`)}</ul>`}
    ${shown.length > MOST && html`<p class="dim">${MOST} of ${format.count(shown.length)} pictures are shown.</p>`}`;
}
