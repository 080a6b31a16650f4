/** What one does with the table: menus of its columns, groups, facets and exports. */
import { html, useState } from '../vendor/preact.js';
import * as format from '../lib/format.js';
import { setQuery } from '../lib/route.js';
import { say } from '../lib/state.js';
import { guess, spell } from './best.js';
import * as columns from './columns.js';
import { countsOf } from './completion.js';
import { commandLine, python, save, written } from './export.js';
import { Menu } from './parts.js';
import { short } from './rows.js';

/**
 * The menu of a column.
 * @param {{ at: any, column: import('./grid.js').Column, names: string[], how: any, onClose: () => void }} props
 */
export function ColumnMenu({ at, column, names, how, onClose }) {
  const { name } = column;
  const isData = names.includes(name);
  const place = names.indexOf(name);
  const pinned = how.pins.includes(name);
  const metric = name.startsWith('metric.');
  const direction = how.better[name] ?? guess(short(name));
  const act = (/** @type {Record<string, string | null>} */ query) => () => {
    onClose();
    setQuery(query);
  };
  const moved = (/** @type {number} */ by) => {
    const next = names.filter(one => one !== name);
    next.splice(place + by, 0, name);
    return { cols: columns.spell(next) };
  };
  const sorted = (/** @type {string} */ way) => ({ order: columns.spell([`${name} ${way}`]) });
  const wide = (/** @type {number} */ by) => ({ widths: spell({ ...how.widths, [name]: Math.max(60, column.width + by) }) });
  return html`<${Menu} at=${at} label=${`column ${column.title}`} onClose=${onClose}>
    <p class="menu-title" dir="auto">${column.title}</p>
    ${column.sortable !== false && html`<button onClick=${act(sorted('DESC'))}>greatest first</button><button onClick=${act(sorted('ASC'))}>least first</button>`}
    ${metric && html`<p class="menu-title">best is</p>${['max', 'min', 'none'].map(way => html`<button aria-pressed=${direction === way} onClick=${act({ better: spell({ ...how.better, [name]: way }) })}>${{ max: 'the greatest', min: 'the least', none: 'not marked' }[way]}</button>`)}`}
    <p class="menu-title">column</p>
    ${name !== 'attribute.run_name' && html`<button aria-pressed=${pinned} onClick=${act({ pin: columns.spell(pinned ? how.pins.filter((/** @type {string} */ one) => one !== name) : [...how.pins, name]) || null })}>${pinned ? 'let it scroll' : 'keep in view'}</button>`}
    ${isData && !pinned && html`<button disabled=${place <= 0} onClick=${act(moved(-1))}>move left</button><button disabled=${place >= names.length - 1} onClick=${act(moved(1))}>move right</button>`}
    <button onClick=${() => setQuery(wide(40))}>wider</button><button onClick=${() => setQuery(wide(-40))}>narrower</button>
    ${isData && (name.startsWith('param.') || name.startsWith('tag.')) && html`<button onClick=${act({ group: columns.spell([name]), open: null })}>group by it</button>`}
    ${isData && html`<button onClick=${act({ cols: columns.spell(names.filter(one => one !== name)) || ' ' })}>hide</button>`}
  </${Menu}>`;
}

const MOST = 200;

/** By what runs are grouped. @param {{ uses: columns.Use[], by: string[], several: boolean }} props */
export function Groups({ uses, by, several }) {
  const [find, setFind] = useState('');
  const keys = uses.filter(([kind, key]) => kind !== 'metric' && !columns.isOwn(key)).map(([kind, key]) => `${kind}.${key}`);
  const all = ['attribute.status', 'attribute.user', 'parent', ...(several ? ['experiment'] : []), ...keys];
  const shown = all.filter(name => name.toLowerCase().includes(find.toLowerCase()));
  return html`${all.length > 12 && html`<input type="search" placeholder="find" aria-label="find what to group by" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />`}
    ${shown.slice(0, MOST).map(name => html`<label class="check" key=${name}><input type="checkbox" checked=${by.includes(name)} onChange=${(/** @type {any} */ e) => setQuery({ group: columns.spell(e.target.checked ? [...by, name] : by.filter(one => one !== name)) || null, open: null })} /><span dir="auto">${name.replace(/^(param|tag)\./, '$1s.').replace('attribute.', '')}</span></label>`)}
    ${shown.length > MOST && html`<p class="dim small">${MOST} of ${format.count(shown.length)}: find the others</p>`}`;
}

/** Values that few runs or many have; a click filters by one. @param {{ data: any, names: string[], filter: string }} props */
export function Facets({ data, names, filter }) {
  const add = (/** @type {string} */ part) => setQuery({ filter: filter.trim() ? `${filter.trim()} and ${part}` : part });
  const of = [
    { title: 'status', term: 'attributes.status', counts: countsOf(data.order.status) },
    { title: 'user', term: 'attributes.user_id', counts: countsOf(data.order.user) },
    ...names.filter(name => !name.startsWith('metric.') && data.columns.get(name)?.texts?.length <= 30).map(name => ({ title: short(name), term: columns.term(name), counts: countsOf(data.columns.get(name)) })),
  ].filter(one => one.counts.length);
  return html`${of.map(({ title, term, counts }) => html`<section class="facet" key=${term}><p class="menu-title" dir="auto">${title}</p>${counts.slice(0, 12).map(([text, count]) => html`<button class="quiet" disabled=${text.includes("'")} onClick=${() => add(`${term} = '${text}'`)}><span dir="auto">${text.length > 40 ? `${text.slice(0, 40)}…` : text || '(empty)'}</span> <span class="dim small">${format.count(count)}</span></button>`)}</section>`)}`;
}

/** @param {{ data: any, rows: number[], names: string[], asked: { ids: string[], filter: string, order: string[] }, onClose: () => void }} props */
export function Exports({ data, rows, names, asked, onClose }) {
  const copy = async (/** @type {string} */ text) => {
    onClose();
    try {
      await navigator.clipboard.writeText(text);
      say('copied');
    } catch {
      say('the browser does not let this page copy');
    }
  };
  const file = (/** @type {string} */ kind) => async () => {
    onClose();
    try {
      save(`runs.${kind}`, await written(kind, data, rows, names));
    } catch (error) {
      say(/** @type {Error} */ (error).message);
    }
  };
  return html`<p class="menu-title">${format.count(rows.length)} runs, ${format.count(names.length)} columns</p>
    ${/** @type {[string, string][]} */ ([['csv', 'CSV'], ['json', 'JSON'], ['md', 'Markdown'], ['tex', 'LaTeX']]).map(([kind, title]) => html`<button onClick=${file(kind)}>${title}</button>`)}
    <p class="menu-title">copy the search as</p>
    <button onClick=${() => copy(python(asked))}>Python</button><button onClick=${() => copy(commandLine(asked))}>command line</button>`;
}
