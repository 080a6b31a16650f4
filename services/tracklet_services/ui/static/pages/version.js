/** One version of a registered model: where it came from, what it takes and gives, what points at it. */
import { html, useEffect, useState } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { changes, listen } from '../lib/live.js';
import { Measured, RunLink, Stage, versionHref } from '../lib/models.js';
import { Crumbs, Id, Pairs, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { go, href } from '../lib/route.js';
import { changesOf } from '../lib/signature.js';
import { say } from '../lib/state.js';
import { mayDelete, mayWrite, tryWrite } from '../lib/write.js';
import { Note, Tags } from './edit.js';
import { Model } from './previews.js';
import { Delete } from './registered.js';

const STAGES = ['None', 'Staging', 'Production', 'Archived'];

/** @param {{ name: string, number: string }} props */
export default function Version({ name, number }) {
  const asked = /** @type {[string, string][]} */ ([['name', name], ['version', number]]);
  const { value, error, busy, again } = useAnswer(signal => get('version', asked, signal), `${name}/${number} ${changes.value}`);
  useEffect(() => listen(''), []);
  document.title = `${name} ${number} · tracklet`;
  if (error && !value) return html`<main id="main" class="page" tabindex="-1"><h1>This version cannot be shown</h1><${Trouble} error=${error} retry=${again} /><p><a href=${href(['models', name])}>All versions</a></p></main>`;
  if (!value) return html`<main id="main" class="page" tabindex="-1">${busy && html`<${Waiting} />`}</main>`;
  const of = { name, version: number };
  const describe = async (/** @type {string} */ description) => {
    const before = value.description;
    if (!(await tryWrite('model-versions/update', { ...of, description }, 'PATCH'))) return false;
    say('The description is saved.', 'undo', () => tryWrite('model-versions/update', { ...of, description: before }, 'PATCH'));
    return true;
  };
  const remove = async () => {
    if (await tryWrite('model-versions/delete', of, 'DELETE')) {
      go(href(['models', name]));
      say(`Version ${number} of ${name} is deleted.`);
    }
  };
  const at = value.versions.indexOf(number);
  const beside = (/** @type {number} */ to, /** @type {string} */ word) => value.versions[to] && html`<a href=${versionHref(name, value.versions[to])}>${word} ${value.versions[to]}</a>`;
  return html`<main id="main" class="page" tabindex="-1">
    <${Crumbs} trail=${[['models', '#/models'], [name, href(['models', name])], [`version ${number}`]]} />
    <div class="title"><h1 dir="auto">${name} <span class="dim">version ${number}</span></h1>${value.stage !== 'None' && html`<${Stage} stage=${value.stage} />`}
      <span class="grow"></span>${mayDelete(value) && html`<${Delete} word="version" name=${`${name}/${number}`} onDelete=${remove} />`}</div>
    <p class="facts"><${Id} text=${`models:/${name}/${number}`} /><span>${format.time(value.created)}</span>${value.user && html`<span dir="auto">${value.user}</span>`}
      ${value.status !== 'READY' && html`<span class="reason">${value.status.toLowerCase()} ${value.message ?? ''}</span>`}
      <a href=${href(['lineage'], { of: `version:${name}/${number}` })}>lineage</a>${beside(at + 1, 'before: version')}${beside(at - 1, 'after: version')}</p>
    <div class="cards">
      <section class="card"><h2>Where it came from</h2><table class="pairs"><tbody>
        <tr><th scope="row">run</th><td><${RunLink} run=${value.run} /></td></tr>
        <tr><th scope="row">logged model</th><td>${value.model_id ? (value.run?.experiment_id ? html`<a href=${href(['experiments', value.run.experiment_id, 'models', value.model_id])}><code>${value.model_id}</code></a>` : html`<code>${value.model_id}</code>`) : html`<span class="dim">–</span>`}</td></tr>
        <tr><th scope="row">source</th><td><${Id} text=${value.source} /></td></tr></tbody></table></section>
      <section class="card"><h2>Aliases and stage</h2><${Pointers} name=${name} number=${number} value=${value} /></section>
      <${Note} key=${`${name}/${number}`} word="description" of=${value} note=${value.description} latest=${async () => (await get('version', asked)).description} onSave=${describe} image=${() => null} />
      <section class="card"><h2>Tags <span class="dim">${Object.keys(value.tags).length}</span></h2><${Tags} of=${value} tags=${Object.entries(value.tags)} onSet=${(/** @type {string} */ key, /** @type {string} */ text) => tryWrite('model-versions/set-tag', { ...of, key, value: text })} onDrop=${(/** @type {string} */ key) => tryWrite('model-versions/delete-tag', { ...of, key }, 'DELETE')} /></section>
      <section class="card"><h2>Metrics <span class="dim">${value.metrics.length}</span></h2><${Measured} metrics=${value.metrics} /></section>
      ${Object.keys(value.params).length > 0 && html`<section class="card"><h2>Params <span class="dim">${Object.keys(value.params).length}</span></h2><${Pairs} label="params" rows=${Object.entries(value.params)} empty="" /></section>`}
      ${value.files && value.versions[at + 1] && html`<${Changes} name=${name} before=${value.versions[at + 1]} files=${value.files} />`}
      <section class="card full"><h2>Model</h2>${value.files ? html`<${Model} key=${`${value.files.owner}/${value.files.path}`} owner=${{ kind: value.files.kind, owner: value.files.owner }} path=${value.files.path} uri=${`models:/${name}/${number}`} />` : html`<p class="dim">Its files lie at <code>${value.source}</code>, which is no run's and no logged model's of this record, so they are not shown here.</p>`}</section>
    </div>
  </main>`;
}

/** @param {any} files @param {AbortSignal} signal */
const aboutFiles = ({ kind, owner, path }, signal) => get('mlmodel', [[kind === 'models' ? 'model' : 'run', owner], ['path', path]], signal);

/** What the version takes and gives otherwise than the one before. @param {{ name: string, before: string, files: any }} props */
function Changes({ name, before, files }) {
  const { value: changes } = useAnswer(async signal => {
    const older = await get('version', [['name', name], ['version', before]], signal);
    if (!older.files) return null;
    const [was, is] = await Promise.all([aboutFiles(older.files, signal), aboutFiles(files, signal)]);
    return changesOf(was.signature, is.signature);
  }, `${name}/${before}/${files.owner}`);
  if (!changes) return null;
  return html`<section class="card full"><h2>Against <a href=${versionHref(name, before)}>version ${before}</a></h2>
    ${changes.length ? html`<table class="pairs"><tbody>${changes.map(({ part, name: field, was, is }) => html`<tr><th scope="row"><span class="dim">${part}</span> <span dir="auto">${field}</span></th><td>${was === null ? html`<ins>${is}</ins>` : is === null ? html`<del>${was}</del>` : html`<del>${was}</del> → <ins>${is}</ins>`}</td></tr>`)}</tbody></table>` : html`<p class="dim">It takes and gives the same.</p>`}</section>`;
}

/** What points at the version, and where it stands: to change either says first what it changes. @param {{ name: string, number: string, value: any }} props */
function Pointers({ name, number, value }) {
  const [alias, setAlias] = useState('');
  const [stage, setStage] = useState(/** @type {string | null} */ (null));
  const pointed = Object.entries(value.aliases_of_all).filter(([, to]) => String(to) === number).map(([one]) => one);
  const moves = value.aliases_of_all[alias.trim()];
  const set = async (/** @type {string} */ one) => {
    const before = value.aliases_of_all[one];
    if (!(await tryWrite('registered-models/alias', { name, alias: one, version: number }))) return;
    setAlias('');
    say(`@${one} points at version ${number}.`, 'undo', () => (before === undefined ? tryWrite('registered-models/alias', { name, alias: one }, 'DELETE') : tryWrite('registered-models/alias', { name, alias: one, version: String(before) })));
  };
  const drop = async (/** @type {string} */ one) => {
    if (await tryWrite('registered-models/alias', { name, alias: one }, 'DELETE')) say(`@${one} is gone.`, 'undo', () => tryWrite('registered-models/alias', { name, alias: one, version: number }));
  };
  const move = async () => {
    const before = value.stage;
    const change = (/** @type {string} */ to) => tryWrite('model-versions/transition-stage', { name, version: number, stage: to, archive_existing_versions: false });
    if (stage !== null && (await change(stage))) {
      setStage(null);
      say(`Version ${number} is in ${stage}.`, 'undo', () => change(before));
    }
  };
  const may = mayWrite(value);
  return html`<p class="tags">${pointed.map(one => html`<span class="badge" key=${one} dir="auto">@${one}${may && html`<button class="in-badge" aria-label=${`remove the alias ${one}`} onClick=${() => drop(one)}>×</button>`}</span>`)}${!pointed.length && html`<span class="dim">No alias points at it.</span>`}</p>
    ${may && html`<form class="bar tag-form" onSubmit=${(/** @type {any} */ e) => {
      e.preventDefault();
      if (alias.trim()) set(alias.trim());
    }}><input aria-label="alias" placeholder="alias, such as champion" value=${alias} onInput=${(/** @type {any} */ e) => setAlias(e.target.value)} /><button>set the alias</button></form>
    ${alias.trim() && moves !== undefined && String(moves) !== number && html`<p class="reason small">This moves @${alias.trim()} here from version ${moves}.</p>`}
    <p class="bar stage-form"><label>stage <select aria-label="stage" value=${stage ?? value.stage} onChange=${(/** @type {any} */ e) => setStage(e.target.value === value.stage ? null : e.target.value)}>${STAGES.map(one => html`<option value=${one}>${one}</option>`)}</select></label>
      ${stage !== null && html`<button class="primary" onClick=${move}>move from ${value.stage} to ${stage}</button><button onClick=${() => setStage(null)}>cancel</button>`}</p>`}`;
}
