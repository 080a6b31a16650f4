/** The runs of one or several experiments: as a table, or drawn. */
import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { frame, get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Crumbs, Later, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { changes, listen } from '../lib/live.js';
import { Parts } from '../lib/models.js';
import { go, href, route, setQuery } from '../lib/route.js';
import { announce } from '../lib/state.js';
import { mayDelete, trash, tryWrite } from '../lib/write.js';
import * as best from '../table/best.js';
import * as columns from '../table/columns.js';
import { Chooser } from '../table/chooser.js';
import { TableData } from '../table/data.js';
import { FilterBox } from '../table/filter.js';
import { Grid } from '../table/grid.js';
import { MenuButton } from '../table/parts.js';
import { groupsOf, rowsOf } from '../table/rows.js';
import { shownColumns } from '../table/shown.js';
import { ColumnMenu, Exports, Facets, Groups } from '../table/tools.js';
import { Views } from '../table/views.js';

const DRAWN = /** @type {Record<string, () => Promise<any>>} */ ({
  charts: () => import('./charts.js'),
  scatter: () => import('./scatter.js'),
  parallel: () => import('./parallel.js'),
});

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

/** @param {{ data: TableData, names: string[], rows: import('../table/rows.js').Row[], how: any, order: string[], selected: Set<string>, open: Set<string>, onSelect: () => void }} props */
function Table({ data, names, rows, how, order, selected, open, onSelect }) {
  const host = useRef(/** @type {any} */ (null));
  const grid = useRef(/** @type {Grid | null} */ (null));
  const latest = useRef(data);
  latest.current = data;
  const [error, setError] = useState(/** @type {any} */ (null));
  const [menu, setMenu] = useState(/** @type {any} */ (null));
  const renewed = useRef(false);
  useLayoutEffect(() => setError(null), [data]);
  const { columns: shown, pins } = shownColumns(data, names, rows, how);
  const isData = new Set(names);
  /** @param {string[]} wanted */
  const fetched = wanted =>
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
  const options = {
    label: 'runs',
    count: rows.length,
    columns: shown,
    pins,
    order,
    selected,
    all: data.ids,
    tree: rows.some(row => row.below > 0),
    keys: (/** @type {number} */ i) => rows[i].group?.rows.map(row => data.ids[row]) ?? [data.ids[rows[i].row]],
    link: (/** @type {number} */ i) => (rows[i].group ? '' : href(['experiments', data.text('experiment', rows[i].row), 'runs', data.ids[rows[i].row]])),
    colour: (/** @type {number} */ i) => format.colour(rows[i].group?.label ?? data.ids[rows[i].row]),
    depth: (/** @type {number} */ i) => rows[i].depth,
    open: (/** @type {number} */ i) => (rows[i].below ? rows[i].open : null),
    onFold: (/** @type {number} */ i) => {
      const id = rows[i].group?.id ?? data.ids[rows[i].row];
      setQuery({ open: columns.spell(open.has(id) ? [...open].filter(one => one !== id) : [...open, id]) || null });
    },
    onBase: (/** @type {number} */ i) => {
      if (!rows[i].group) setQuery({ base: how.base === data.ids[rows[i].row] ? null : data.ids[rows[i].row] });
    },
    onSort: (/** @type {string} */ name, /** @type {boolean} */ more) => {
      const now = order.find(term => term.startsWith(`${name} `));
      const next = !now ? `${name} DESC` : now.endsWith('DESC') ? `${name} ASC` : null;
      const others = more ? order.filter(term => !term.startsWith(`${name} `)) : [];
      const terms = next ? [...others, next] : others;
      setQuery({ order: columns.spell(terms) || null });
      announce(terms.length ? `sorted by ${terms.join(', ')}` : 'newest first');
    },
    onSelect,
    onColumns: (/** @type {number} */ first, /** @type {number} */ last) => fetched([...shown.slice(0, pins), ...shown.slice(first, last)].map(one => one.name).filter(name => isData.has(name))),
    onMenu: (/** @type {number} */ column, /** @type {DOMRect} */ at) => setMenu({ name: shown[column].name, at }),
    onResize: (/** @type {number} */ column, /** @type {number} */ width) => setQuery({ widths: best.spell({ ...how.widths, [shown[column].name]: width }) }),
    onMove: (/** @type {number} */ column, /** @type {number} */ to) => {
      const name = shown[column].name;
      if (!isData.has(name)) return;
      const next = names.filter(one => one !== name);
      const at = next.indexOf(shown[to].name);
      next.splice(at < 0 ? 0 : to > column ? at + 1 : at, 0, name);
      setQuery({ cols: columns.spell(next) });
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
  const of = menu && shown.find(one => one.name === menu.name);
  return html`${error && html`<${Trouble} error=${error} retry=${retry} />`}<div class="grid-host" ref=${host}></div>
    ${of && html`<${ColumnMenu} key=${menu.name} at=${menu.at} column=${of} names=${names} how=${how} onClose=${() => setMenu(null)} />`}`;
}

/** @param {{ ids: string[] }} props */
export default function Runs({ ids }) {
  const { query } = route.value;
  const of = ids.join(',');
  const text = query.get('filter') ?? '';
  const order = columns.parse(query.get('order') ?? '');
  const trashed = query.get('trash') === '1';
  const view = (query.get('view') ?? '') in DRAWN ? /** @type {string} */ (query.get('view')) : 'table';
  const [choosing, setChoosing] = useState(false);
  const [menu, setMenu] = useState('');
  const [, turn] = useState(0);
  const selected = useRef(/** @type {Set<string>} */ (new Set()));
  const about = useAnswer(signal => get('experiments', [['view', 'all']], signal), `experiments ${changes.value}`);
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
  const by = columns.parse(query.get('group') ?? '');
  const needed = by.filter(name => /^(param|tag)\./.test(name));
  // Without the columns of its groups a table that came anew could not be drawn, and would lose where one was.
  const first = useRef(names);
  first.current = [...new Set([...needed, ...names])];
  useEffect(() => listen(of), [of]);
  const key = JSON.stringify([of, text, order, trashed, query.get('turn'), changes.value]);
  const answer = useAnswer(async signal => {
    const asked = /** @type {[string, string][]} */ ([
      ['experiments', of],
      ['filter', asFilter(text)],
      ['view', trashed ? 'deleted_only' : 'active_only'],
      ...order.map(one => ['order', columns.term(one.replace(/ (ASC|DESC)$/, '')) + one.slice(one.lastIndexOf(' '))]),
      ...first.current.slice(0, 12).map(name => ['column', name]),
    ]);
    const data = new TableData(await frame('table', asked, signal), ids);
    announce(`${data.count} of ${data.total} runs`);
    return data;
  }, key);

  const known = Object.fromEntries((about.value?.experiments ?? []).map((/** @type {any} */ one) => [one.id, one]));
  const title = ids.length === 1 ? (known[ids[0]]?.name ?? ids[0]) : `${ids.length} experiments`;
  document.title = `${title} · tracklet`;
  const data = answer.value;
  const note = ids.length === 1 ? known[ids[0]]?.note : '';
  const chosen = selected.current;
  const as = ['min', 'max'].includes(query.get('agg') ?? '') ? /** @type {string} */ (query.get('agg')) : 'mean';
  const open = new Set(columns.parse(query.get('open') ?? ''));
  const titleOf = (/** @type {string} */ id) => known[id]?.name;
  const how = {
    title: titleOf,
    as,
    pins: columns.parse(query.get('pin') ?? ''),
    widths: Object.fromEntries((query.get('widths') ?? '').split(',').flatMap(one => {
      const at = one.lastIndexOf(':');
      const width = Number(one.slice(at + 1));
      return at > 0 && width >= 20 && width <= 2000 ? [[best.decode(one.slice(0, at)), width]] : [];
    })),
    better: best.parse(query.get('better') ?? ''),
    base: query.get('base') ?? '',
  };
  const ready = !!data && needed.every(name => data.columns.has(name));
  const [failed, setFailed] = useState(/** @type {any} */ (null));
  useEffect(() => {
    setFailed(null);
    if (data && !ready) data.whole(needed).then(() => turn(n => n + 1), (/** @type {any} */ problem) => (problem.status === 410 ? setQuery({ turn: String(Date.now()) }) : setFailed(problem)));
  }, [data, by.join()]);
  const groups = data && by.length && ready ? groupsOf(data, by, id => titleOf(id) ?? id) : null;
  const sort = order[0] ? /** @type {[string, number]} */ ([order[0].replace(/ (ASC|DESC)$/, ''), order[0].endsWith('DESC') ? -1 : 1]) : null;
  const rows = data && (!by.length || ready) ? rowsOf(data, { groups, flat: query.get('flat') === '1', open, base: how.base, sort, as }) : null;
  const nested = !!data && data.parent.some((/** @type {number} */ row) => row >= 0);
  const drawn = data ? [...data.ids.keys()].filter(row => !chosen.size || chosen.has(data.ids[row])) : [];
  // What may be looked for is what all runs have, not those that a filter, be it half a word, has left.
  const valuesOf = async (/** @type {string} */ name, /** @type {AbortSignal} */ signal) => {
    if (data && data.count === data.total) {
      await data.whole([name]);
      return data.columns.get(name);
    }
    const asked = /** @type {[string, string][]} */ ([['experiments', of], ['view', trashed ? 'deleted_only' : 'active_only'], ['column', name]]);
    return new TableData(await frame('table', asked, signal), ids).columns.get(name);
  };
  const toggle = (/** @type {string} */ name) => (/** @type {boolean} */ on) => setMenu(on ? name : '');
  return html`<main id="main" class="page wide" tabindex="-1">
    <${Crumbs} trail=${[['experiments', '#/'], [title]]} />
    <div class="title"><h1 dir="auto">${title}</h1>
      <span class="count" aria-hidden="true">${data ? (data.count === data.total ? `${format.count(data.total)} runs` : `${format.count(data.count)} of ${format.count(data.total)} runs`) : ''}${groups ? ` in ${format.count(groups.length)} groups` : ''}</span>
      <span class="grow"></span>
      ${ids.length === 1 && known[ids[0]] && html`<${MenuButton} label="Views" open=${menu === 'views'} onOpen=${toggle('views')}><${Views} experiment=${ids[0]} tags=${known[ids[0]].tags} of=${known[ids[0]]} onClose=${() => setMenu('')} /></${MenuButton}>`}
      ${data && rows && html`<${MenuButton} label="Export" open=${menu === 'export'} onOpen=${toggle('export')}><${Exports} data=${data} rows=${[...data.ids.keys()]} names=${names} asked=${{ ids, filter: asFilter(text), order }} onClose=${() => setMenu('')} /></${MenuButton}>`}
    </div>
    <${Parts} ids=${ids} at="runs" />
    ${note && html`<p class="note-line dim" dir="auto">${note.split('\n')[0]}</p>`}
    <div class="bar">
      <${FilterBox} text=${text} wrong=${!!answer.error} uses=${uses} valuesOf=${valuesOf} of=${`${of} ${trashed} ${changes.value}`} onChange=${(/** @type {string | null} */ filter) => setQuery({ filter })} />
      ${data && html`<${MenuButton} label="Facets" open=${menu === 'facets'} onOpen=${toggle('facets')}><${Facets} data=${data} names=${names} filter=${asFilter(text)} /></${MenuButton}>`}
    </div>
    <div class="bar">
      <button aria-expanded=${choosing} onClick=${() => setChoosing(!choosing)}>Columns <span class="dim">${names.length}/${format.count(uses.length)}</span></button>
      <${MenuButton} label=${by.length ? `Group by ${by.length}` : 'Group'} open=${menu === 'group'} onOpen=${toggle('group')}><${Groups} uses=${uses} by=${by} several=${ids.length > 1} /></${MenuButton}>
      ${by.length > 0 && html`<label class="check">of each <select aria-label="what is shown of a group" value=${as} onChange=${(/** @type {any} */ e) => setQuery({ agg: e.target.value === 'mean' ? null : e.target.value })}><option value="mean">mean ± deviation</option><option value="min">least</option><option value="max">greatest</option></select></label>`}
      <label class="check"><input type="checkbox" checked=${differs} onChange=${(/** @type {any} */ e) => setQuery({ diff: e.target.checked ? '1' : null })} />only what differs</label>
      ${nested && !by.length && html`<label class="check"><input type="checkbox" checked=${query.get('flat') === '1'} onChange=${(/** @type {any} */ e) => setQuery({ flat: e.target.checked ? '1' : null })} />flat</label>`}
      <label class="check"><input type="checkbox" checked=${trashed} onChange=${(/** @type {any} */ e) => setQuery({ trash: e.target.checked ? '1' : null })} />in the trash</label>
      <div class="switch" role="group" aria-label="show as">${['table', ...Object.keys(DRAWN)].map(one => html`<button aria-pressed=${view === one} onClick=${() => setQuery({ view: one === 'table' ? null : one }, false)}>${one}</button>`)}</div>
      <span class="grow"></span>
      ${ids.every(id => mayDelete(known[id])) && chosen.size > 0 && html`<button class="quiet" onClick=${async () => {
        const picked = [...chosen];
        chosen.clear();
        if (trashed) for (const run_id of picked) await tryWrite('runs/restore', { run_id });
        else await trash(picked);
        turn(n => n + 1);
      }}>${trashed ? 'restore' : 'to the trash'} ${format.count(chosen.size)}</button>`}
      ${chosen.size === 1 && html`<button class="quiet" onClick=${() => setQuery({ base: how.base === [...chosen][0] ? null : [...chosen][0] })}>${how.base === [...chosen][0] ? 'no baseline' : 'as baseline'}</button>`}
      <button class=${chosen.size > 1 ? 'primary' : ''} disabled=${chosen.size < 2} onClick=${() => go(href(['compare'], { runs: [...chosen].slice(0, 500).join(',') }))}>compare${chosen.size ? ` ${format.count(chosen.size)}` : ''}</button>
    </div>
    ${asFilter(text) !== text && text && html`<p class="dim small">looks for <code>${asFilter(text)}</code></p>`}
    ${answer.error && html`<${FilterError} error=${answer.error} text=${asFilter(text)} />`}
    ${(keys.error ?? failed) && html`<${Trouble} error=${keys.error ?? failed} retry=${() => {
      data?.again();
      setFailed(null);
      keys.again();
      answer.again();
    }} />`}
    ${choosing && html`<${Chooser} uses=${uses} names=${names} onChange=${(/** @type {string[] | null} */ next) => setQuery({ cols: next && columns.spell(next) })} onClose=${() => setChoosing(false)} />`}
    ${!data && answer.busy && html`<${Waiting} />`}
    ${data && data.count === 0 && html`<p class="dim none">${text ? html`Nothing matches. Without the filter there are ${format.count(data.total)} runs. <button class="quiet" onClick=${() => setQuery({ filter: null })}>clear the filter</button>` : trashed ? 'The trash holds no runs of this experiment.' : 'This experiment has no runs yet.'}</p>`}
    ${data && rows && data.count > 0 && view === 'table' && html`<div class=${answer.busy ? 'table busy' : 'table'}><${Table} data=${data} names=${names} rows=${rows} how=${how} order=${order} selected=${chosen} open=${open} onSelect=${() => {
      turn(n => n + 1);
      announce(`${chosen.size} selected`);
    }} /></div>`}
    ${data && data.count > 0 && view !== 'table' && html`${chosen.size > 0 && html`<p class="dim small">Of ${format.count(data.count)} runs the ${format.count(drawn.length)} that are selected are drawn.</p>`}<${Later} key=${view} load=${DRAWN[view]} props=${view === 'charts' ? { runs: drawn.map(row => ({ id: data.ids[row], name: data.names[row] })), keys: uses.filter(([kind, of]) => kind === 'metric' && !columns.isOwn(of)).map(use => use[1]), groups: groups?.map(({ label, rows: members }) => ({ label, ids: members.map(row => data.ids[row]) })) ?? null } : { data, rows: drawn, uses, names, groups, filter: asFilter(text), title: titleOf }} />`}
  </main>`;
}
