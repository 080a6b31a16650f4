/** What a run was made of: its code, packages and machine. */
import { html, useState } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Lines, ofPatch } from '../lib/lines.js';
import { Copy, Pairs, Trouble, useAnswer, Waiting } from '../lib/parts.js';

const FACTS = /** @type {[string, string][]} */ ([
  ['entry script', 'mlflow.source.name'], ['kind', 'mlflow.source.type'], ['commit', 'mlflow.source.git.commit'], ['branch', 'mlflow.source.git.branch'],
  ['repository', 'mlflow.source.git.repoURL'], ['uncommitted changes', 'mlflow.source.git.dirty'], ['entry point', 'mlflow.project.entryPoint'],
]);
const MACHINE = /** @type {[string, string][]} */ ([
  ['host', 'host'], ['platform', 'platform'], ['Python', 'python'], ['interpreter', 'executable'], ['folder', 'folder'], ['processors', 'processors'],
]);

/** A word of a command line, as a shell takes it. @param {string} word */
const quoted = word => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** @param {{ run: any }} props */
export default function Code({ run: { info, tags } }) {
  const { value, error, again } = useAnswer(signal => get('code', [['run', info.run_id]], signal), `${info.run_id} ${info.status}`);
  const autologging = Object.entries(tags).filter(([key]) => /^(tracklet\.(fit|phase|overhead|omitted|fault|host|python|packages)|mlflow\.autologging)/.test(key));
  if (error) return html`<${Trouble} error=${error} retry=${again} />`;
  if (!value) return html`<${Waiting} />`;
  const { script, patch, packages, machine } = value;
  const facts = FACTS.filter(([, tag]) => tags[tag]).map(([title, tag]) => [title, tags[tag]]);
  const about = machine ? MACHINE.filter(([, key]) => machine[key] != null).map(([title, key]) => [title, String(machine[key])]) : [];
  if (machine?.memory_bytes) about.push(['memory', format.bytes(machine.memory_bytes)]);
  if (Array.isArray(machine?.gpus) && machine.gpus.length) about.push(['GPUs', machine.gpus.join(', ')]);
  const given = machine && typeof machine.arguments === 'object' ? Object.entries(machine.arguments ?? {}).map(([key, text]) => [key, String(text)]) : [];
  const command = Array.isArray(machine?.command) ? machine.command.map(String).map(quoted).join(' ') : '';
  return html`<div class="cards">
    <section class="card"><h2>Code</h2><${Pairs} label="code" rows=${facts} empty="Nothing about the code was recorded." />
      ${command && html`<h3>Command line</h3><pre class="code">${command}</pre><${Copy} text=${command} label="copy the command" />`}</section>
    ${about.length > 0 && html`<section class="card"><h2>Machine</h2><${Pairs} label="machine" rows=${about} empty="" /></section>`}
    ${given.length > 0 && html`<section class="card"><h2>Arguments <span class="dim">${given.length}</span></h2><${Pairs} label="arguments" rows=${given} empty="" /></section>`}
    ${autologging.length > 0 && html`<section class="card"><h2>Autologging</h2><${Pairs} label="autologging" rows=${autologging} empty="" /></section>`}
    ${patch && html`<section class="card full"><h2>Uncommitted changes</h2><${Counts} patch=${patch} /><${Lines} label="uncommitted changes" lines=${patch.replace(/\n$/, '').split('\n')} look=${ofPatch} /></section>`}
    ${script && html`<section class="card full"><div class="bar"><h2 dir="auto">${script.path.slice(script.path.lastIndexOf('/') + 1)}</h2><span class="dim small">as it was when the run started</span><span class="grow"></span><${Copy} text=${script.text} label="copy" /></div><${Lines} label="script" lines=${script.text.replace(/\n$/, '').split('\n')} /></section>`}
    ${packages && html`<${Packages} packages=${packages} />`}
    ${!script && !packages && !machine && html`<section class="card"><p class="dim">Script, packages and machine are kept of runs of tracklet that last three seconds or more.</p></section>`}
  </div>`;
}

/** @param {{ patch: string }} props */
function Counts({ patch }) {
  const looks = patch.split('\n').map(ofPatch);
  const count = (/** @type {string} */ look) => format.count(looks.filter(one => one === look).length);
  return html`<p class="dim small">${count('added')} lines added, ${count('removed')} removed</p>`;
}

/** @param {{ packages: string[] }} props */
function Packages({ packages }) {
  const [find, setFind] = useState('');
  const shown = packages.filter(one => one.toLowerCase().includes(find.toLowerCase()));
  return html`<section class="card full"><div class="bar"><h2>Packages <span class="dim">${shown.length < packages.length ? `${shown.length} of ` : ''}${packages.length}</span></h2><span class="grow"></span><${Copy} text=${packages.join('\n')} label="copy as requirements" /></div>
    <input type="search" placeholder="find packages" aria-label="find packages" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />
    <ul class="plain packages">${shown.slice(0, 600).map(one => html`<li><code>${one}</code></li>`)}</ul>${shown.length > 600 && html`<p class="dim">600 of ${shown.length} are shown.</p>`}</section>`;
}
