/** The runs of one or several experiments, as a table. */
import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { frame, get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Crumbs, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { changes, listen } from '../lib/live.js';
import { go, href, route, setQuery } from '../lib/route.js';
import { announce } from '../lib/state.js';
import { mayWrite, trash, tryWrite } from '../lib/write.js';
import * as columns from '../table/columns.js';
import { Chooser } from '../table/chooser.js';
import { TableData } from '../table/data.js';
import { Grid } from '../table/grid.js';

/** What a person types, as a filter: a bare word looks for a name. @param {string} text */
export function asFilter(text) {
  const bare = text.trim();
  return /^[\p{L}\p{N}_-]+$/u.test(bare) && !/^(not|and|or)$/i.test(bare) ? `attributes.run_name ILIKE '%${bare}%'` : bare;
}

/** @param {{ error: any, text: string }} props */
function FilterError({ error, text }) {
  const { position, problem } = error.document ?? {};
  if (position === undefined) return html`<${Trouble} error=${error} />`;
  return html`<div class="filter-error" role="alert">
    <pre aria-hidden="true">${text.slice(0, position)}<mark>${text.slice(position) || ' '}</mark></pre>
    <p>At character ${position + 1}: ${problem}. The table still shows what it showed before.</p>
  </div>`;
}

/** @param {{ data: TableData, names: string[], order: string[], selected: Set<string>, titles: any, onSelect: () => void }} props */
function Table({ data, names, order, selected, titles, onSelect }) {
  const host = useRef(/** @type {any} */ (null));
  const grid = useRef(/** @type {Grid | null} */ (null));
  const latest = useRef(data);
  latest.current = data;
  const [error, setError] = useState(/** @type {any} */ (null));
  const renewed = useRef(false);
  useLayoutEffect(() => setError(null), [data]);
  const shown = columns.made(data, names, id => titles[id]);
  const fixed = shown.length - names.length;
  const options = {
    label: 'runs',
    count: data.count,
    columns: shown,
    order,
    selected,
    key: (/** @type {number} */ row) => data.ids[row],
    link: (/** @type {number} */ row) => href(['experiments', data.text('experiment', row), 'runs', data.ids[row]]),
    colour: (/** @type {number} */ row) => format.colour(data.ids[row]),
    onSort: (/** @type {string} */ name, /** @type {boolean} */ more) => {
      const now = order.find(term => term.startsWith(`${name} `));
      const next = !now ? `${name} DESC` : now.endsWith('DESC') ? `${name} ASC` : null;
      const others = more ? order.filter(term => !term.startsWith(`${name} `)) : [];
      const terms = next ? [...others, next] : others;
      setQuery({ order: columns.spell(terms) || null });
      announce(terms.length ? `sorted by ${terms.join(', ')}` : 'newest first');
    },
    onSelect,
    onColumns: (/** @type {number} */ first, /** @type {number} */ last) => {
      const wanted = names.slice(Math.max(0, first - fixed), Math.max(0, last - fixed));
      data.fetch(wanted).then(
        came => {
          if (!came || latest.current !== data) return;
          renewed.current = false;
          grid.current?.draw(true);
        },
        problem => {
          if (latest.current !== data) return;
          // A server that forgot even the new table's order would forget every other.
          if (problem.status !== 410 || renewed.current) setError(problem);
          else {
            renewed.current = true;
            setQuery({ turn: String(Date.now()) });
          }
        },
      );
    },
  };
  useLayoutEffect(() => {
    if (grid.current) grid.current.update(options);
    else grid.current = new Grid(host.current, options);
  });
  useEffect(() => () => grid.current?.destroy(), []);
  const retry = () => {
    renewed.current = false;
    data.again();
    setError(null);
  };
  return html`${error && html`<${Trouble} error=${error} retry=${retry} />`}<div class="grid-host" ref=${host}></div>`;
}

/** @param {{ ids: string[] }} props */
export default function Runs({ ids }) {
  const { query } = route.value;
  const of = ids.join(',');
  const text = query.get('filter') ?? '';
  const order = columns.parse(query.get('order') ?? '');
  const view = query.get('view') === 'deleted' ? 'deleted_only' : 'active_only';
  const [typed, setTyped] = useState(text);
  const [choosing, setChoosing] = useState(false);
  const [, turn] = useState(0);
  const selected = useRef(/** @type {Set<string>} */ (new Set()));
  const about = useAnswer(signal => get('experiments', [['view', 'all']], signal), 'experiments');
  // The keys of the latest runs come at once; those of all, with their counts, a little later.
  const sampled = useAnswer(signal => get('keys', [['experiments', of], ['sample', '50']], signal), of);
  const keys = useAnswer(signal => get('keys', [['experiments', of]], signal), `${of} ${changes.value}`);
  const uses = /** @type {columns.Use[]} */ ((keys.value ?? sampled.value)?.keys ?? []);
  const cols = query.get('cols');
  const differs = query.get('diff') === '1';
  let names = cols ? columns.matching(columns.parse(cols), uses) : columns.usual(uses);
  if (differs) {
    const same = new Set(uses.filter(use => !use[3]).map(([kind, key]) => `${kind}.${key}`));
    names = names.filter(name => !same.has(name));
  }
  const first = useRef(names);
  first.current = names;
  useEffect(() => listen(of), [of]);
  const key = JSON.stringify([of, text, order, view, query.get('turn'), changes.value]);
  const rows = useAnswer(async signal => {
    const asked = /** @type {[string, string][]} */ ([
      ['experiments', of],
      ['filter', asFilter(text)],
      ['view', view],
      ...order.map(one => ['order', columns.term(one.replace(/ (ASC|DESC)$/, '')) + one.slice(one.lastIndexOf(' '))]),
      ...first.current.slice(0, 12).map(name => ['column', name]),
    ]);
    const data = new TableData(await frame('table', asked, signal), ids);
    announce(`${data.count} of ${data.total} runs`);
    return data;
  }, key);
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    const timer = setTimeout(() => typed !== text && setQuery({ filter: typed || null }), 250);
    return () => clearTimeout(timer);
  }, [typed]);

  const known = Object.fromEntries((about.value?.experiments ?? []).map((/** @type {any} */ one) => [one.id, one]));
  const title = ids.length === 1 ? (known[ids[0]]?.name ?? ids[0]) : `${ids.length} experiments`;
  document.title = `${title} · tracklet`;
  const data = rows.value;
  const note = ids.length === 1 ? known[ids[0]]?.note : '';
  const chosen = selected.current;
  return html`<main id="main" class="page wide" tabindex="-1">
    <${Crumbs} trail=${[['experiments', '#/'], [title]]} />
    <div class="title"><h1 dir="auto">${title}</h1>
      <span class="count" aria-hidden="true">${data ? (data.count === data.total ? `${format.count(data.total)} runs` : `${format.count(data.count)} of ${format.count(data.total)} runs`) : ''}</span>
    </div>
    ${note && html`<p class="note-line dim" dir="auto">${note.split('\n')[0]}</p>`}
    <div class="bar">
      <input class="filter" data-filter type="search" spellcheck=${false} autocomplete="off" placeholder="filter: metrics.auc > 0.8 and params.model = 'xgb', or a name" aria-label="filter runs" aria-invalid=${!!rows.error} value=${typed} onInput=${(/** @type {any} */ e) => setTyped(e.target.value)} onKeyDown=${(/** @type {any} */ e) => {
        if (e.key === 'Enter') setQuery({ filter: typed || null });
        if (e.key === 'Escape' && typed) {
          setTyped('');
          setQuery({ filter: null });
        } else if (e.key === 'Escape') e.target.blur();
      }} />
      <button aria-expanded=${choosing} onClick=${() => setChoosing(!choosing)}>Columns <span class="dim">${names.length}/${format.count(uses.length)}</span></button>
      <label class="check"><input type="checkbox" checked=${differs} onChange=${(/** @type {any} */ e) => setQuery({ diff: e.target.checked ? '1' : null })} />only what differs</label>
      <label class="check"><input type="checkbox" checked=${view === 'deleted_only'} onChange=${(/** @type {any} */ e) => setQuery({ view: e.target.checked ? 'deleted' : null })} />in the trash</label>
      <span class="grow"></span>
      ${mayWrite() && chosen.size > 0 && html`<button class="quiet" onClick=${async () => {
        const ids = [...chosen];
        chosen.clear();
        if (view === 'deleted_only') for (const run_id of ids) await tryWrite('runs/restore', { run_id });
        else await trash(ids);
        turn(n => n + 1);
      }}>${view === 'deleted_only' ? 'restore' : 'to the trash'} ${format.count(chosen.size)}</button>`}
      <button class=${chosen.size > 1 ? 'primary' : ''} disabled=${chosen.size < 2} onClick=${() => go(href(['compare'], { runs: [...chosen].slice(0, 500).join(',') }))}>compare${chosen.size ? ` ${format.count(chosen.size)}` : ''}</button>
    </div>
    ${asFilter(text) !== text && text && html`<p class="dim small">looks for <code>${asFilter(text)}</code></p>`}
    ${rows.error && html`<${FilterError} error=${rows.error} text=${asFilter(text)} />`}
    ${keys.error && html`<${Trouble} error=${keys.error} retry=${keys.again} />`}
    ${choosing && html`<${Chooser} uses=${uses} names=${names} onChange=${(/** @type {string[] | null} */ next) => setQuery({ cols: next && columns.spell(next) })} onClose=${() => setChoosing(false)} />`}
    ${!data && rows.busy && html`<${Waiting} />`}
    ${data && data.count === 0 && html`<p class="dim none">${text ? html`Nothing matches. Without the filter there are ${format.count(data.total)} runs. <button class="quiet" onClick=${() => setQuery({ filter: null })}>clear the filter</button>` : view === 'deleted_only' ? 'The trash holds no runs of this experiment.' : 'This experiment has no runs yet.'}</p>`}
    ${data && data.count > 0 && html`<div class=${rows.busy ? 'table busy' : 'table'}><${Table} data=${data} names=${names} order=${order} selected=${chosen} titles=${Object.fromEntries(Object.values(known).map((/** @type {any} */ one) => [one.id, one.name]))} onSelect=${() => {
      turn(n => n + 1);
      announce(`${chosen.size} selected`);
    }} /></div>`}
  </main>`;
}
