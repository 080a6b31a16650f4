/** The shell: what stands around every screen, and which screen an address means. */
import { html, render, useErrorBoundary, useEffect, useState } from './vendor/preact.js';
import { get } from './lib/api.js';
import { Trouble } from './lib/parts.js';
import { state as live } from './lib/live.js';
import { Help, showHelp } from './lib/keys.js';
import { route } from './lib/route.js';
import { announced, place, setTheme, theme, toast } from './lib/state.js';

/** @type {Record<string, () => Promise<any>>} */
const SCREENS = {
  experiments: () => import('./pages/experiments.js'),
  runs: () => import('./pages/runs.js'),
  run: () => import('./pages/run.js'),
  compare: () => import('./pages/compare.js'),
  registry: () => import('./pages/registry.js'),
  registered: () => import('./pages/registered.js'),
  version: () => import('./pages/version.js'),
  models: () => import('./pages/models.js'),
  model: () => import('./pages/model.js'),
  traces: () => import('./pages/traces.js'),
  trace: () => import('./pages/trace.js'),
  lineage: () => import('./pages/lineage.js'),
  doctor: () => import('./pages/doctor.js'),
  settings: () => import('./pages/settings.js'),
};

/** @param {import('./lib/route.js').Route} at @returns {[string, any]} */
function screenOf({ path, query }) {
  if (!path.length) return ['experiments', {}];
  if (path[0] === 'experiments' && path.length === 1) return ['experiments', {}];
  if (path[0] === 'experiments' && path.length === 2) return ['runs', { ids: path[1].split(',') }];
  if (path[0] === 'experiments' && path[2] === 'runs' && path[3]) return ['run', { id: path[3], key: path[3] }];
  if (path[0] === 'runs' && path[1]) return ['run', { id: path[1], key: path[1] }];
  if (path[0] === 'compare') return ['compare', { ids: (query.get('runs') ?? '').split(',').filter(Boolean) }];
  if (path[0] === 'compare-runs') {
    try {
      return ['compare', { ids: JSON.parse(query.get('runs') ?? '[]') }];
    } catch {
      return ['compare', { ids: [] }];
    }
  }
  if (path[0] === 'experiments' && path[2] === 'models') return path[3] ? ['model', { id: path[3], key: path[3] }] : ['models', { ids: path[1].split(','), key: path[1] }];
  if (path[0] === 'experiments' && path[2] === 'traces') return path[3] ? ['trace', { id: path[3], key: path[3] }] : ['traces', { ids: path[1].split(','), key: path[1] }];
  if (path[0] === 'traces') return path[1] ? ['trace', { id: path[1], key: path[1] }] : ['traces', { ids: [] }];
  if (path[0] === 'models' && path.length === 1) return ['registry', {}];
  if (path[0] === 'models' && path[2] === 'versions' && path[3]) return ['version', { name: path[1], number: path[3], key: `${path[1]}/${path[3]}` }];
  if (path[0] === 'models') return ['registered', { name: path[1], key: path[1] }];
  if (path[0] === 'lineage') return ['lineage', { of: query.get('of') ?? '', key: query.get('of') }];
  if (path.length === 1 && (path[0] === 'doctor' || path[0] === 'settings')) return [path[0], {}];
  return ['missing', {}];
}

/** @type {[string, string, string[]][]} */
const PLACES = [
  ['Experiments', '#/', ['experiments', 'runs', 'run', 'compare']], ['Models', '#/models', ['registry', 'registered', 'version', 'models', 'model', 'lineage']],
  ['Traces', '#/traces', ['traces', 'trace']], ['Doctor', '#/doctor', ['doctor']], ['Settings', '#/settings', ['settings']],
];

function Places() {
  const [name] = screenOf(route.value);
  return html`<nav class="places" aria-label="places">${PLACES.map(([title, address, screens]) => html`<a href=${address} aria-current=${screens.includes(name) ? 'true' : undefined}>${title}</a>`)}</nav>`;
}

const loaded = /** @type {Record<string, any>} */ ({});

function Screen() {
  const [name, props] = screenOf(route.value);
  const [, turn] = useState(0);
  const [error, reset] = useErrorBoundary();
  useEffect(() => {
    if (error) reset();
  }, [route.value]);
  useEffect(() => {
    if (name in SCREENS && !loaded[name]) {
      SCREENS[name]().then(
        module => {
          loaded[name] = module.default;
          turn(n => n + 1);
        },
        problem => {
          loaded[name] = () => html`<${Trouble} error=${problem} retry=${() => location.reload()} />`;
          turn(n => n + 1);
        },
      );
    }
  }, [name]);
  if (error) return html`<main id="main"><${Trouble} error=${error} retry=${reset} /></main>`;
  if (name === 'missing') return html`<main id="main" class="page"><h1>There is no such page</h1><p><a href="#/">All experiments</a></p></main>`;
  const Page = loaded[name];
  return Page ? html`<${Page} ...${props} />` : html`<main id="main" aria-busy="true"></main>`;
}

const THEMES = /** @type {Record<string, [string, string]>} */ ({ '': ['dark', '◐'], dark: ['light', '☾'], light: ['', '☀'] });

function Shell() {
  const [next, sign] = THEMES[theme.value] ?? THEMES[''];
  return html`<a class="skip" href="#main" onClick=${(/** @type {any} */ e) => {
      e.preventDefault();
      document.getElementById('main')?.focus();
    }}>skip to the content</a>
    <header class="top">
      <a class="brand" href="#/"><img src=${new URL('./icon.svg', import.meta.url).href} alt="" width="22" height="22" />tracklet</a>
      <${Places} />
      <span class="place" dir="auto">${place.value?.place ?? ''}</span>
      ${place.value?.read_only && html`<span class="badge">read-only</span>`}
      ${live.value && html`<span class="live" data-state=${live.value} role="status">${live.value === 'lost' ? 'the server is gone; trying again' : live.value}</span>`}
      <button class="quiet" aria-label=${`theme: ${theme.value || 'as the system'}; change to ${next || 'as the system'}`} onClick=${() => setTheme(next)}>${sign}</button>
      <button class="quiet" aria-label="keys" onClick=${showHelp}>?</button>
    </header>
    <${Screen} />
    <${Help} />
    <div class="sr-only" aria-live="polite">${announced.value}</div>
    ${toast.value && html`<div class="toast" role="status">${toast.value.text}${toast.value.act && html` <button onClick=${() => {
      toast.value.act();
      toast.value = null;
    }}>${toast.value.label}</button>`}</div>`}`;
}

render(html`<${Shell} />`, /** @type {HTMLElement} */ (document.getElementById('app')));
get('place').then(
  about => (place.value = about),
  () => (place.value = { place: 'the server does not answer' }),
);
