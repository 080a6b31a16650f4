/** One trace: its spans as tree and waterfall, and what went into and came out of one of them. */
import { html, useEffect } from '../vendor/preact.js';
import { get } from '../lib/api.js';
import * as format from '../lib/format.js';
import { Json } from '../lib/json.js';
import { changes, listen } from '../lib/live.js';
import { RunLink } from '../lib/models.js';
import { Crumbs, Id, Long, Pairs, Trouble, useAnswer, Waiting } from '../lib/parts.js';
import { href, route, setQuery } from '../lib/route.js';
import { took } from '../lib/spans.js';
import { mayWrite, tryWrite } from '../lib/write.js';
import { Tags } from './edit.js';
import { TraceState } from './traces.js';
import { Waterfall } from './waterfall.js';

/** @param {{ id: string }} props */
export default function Trace({ id }) {
  const { value, error, busy, again } = useAnswer(signal => get(`trace/${encodeURIComponent(id)}`, [], signal), `${id} ${changes.value}`);
  useEffect(() => {
    if (value?.experiment) listen(value.experiment.id);
  }, [value?.experiment?.id]);
  if (error && !value) return html`<main id="main" class="page" tabindex="-1"><h1>This trace cannot be shown</h1><${Trouble} error=${error} retry=${again} /></main>`;
  if (!value) return html`<main id="main" class="page" tabindex="-1">${busy && html`<${Waiting} />`}</main>`;
  const { experiment, spans } = value;
  const name = value.name || id;
  document.title = `${name} · tracklet`;
  const selected = route.value.query.get('span') ?? spans[0]?.[0] ?? '';
  const row = spans.find((/** @type {any[]} */ one) => one[0] === selected);
  const own = Object.entries(value.all_tags).filter(([key]) => key.startsWith('mlflow.'));
  const facts = /** @type {[string, string][]} */ ([...own, ...Object.entries(value.metadata)]);
  return html`<main id="main" class="page wide" tabindex="-1">
    <${Crumbs} trail=${experiment ? [['experiments', '#/'], [experiment.name, href(['experiments', experiment.id])], ['traces', href(['experiments', experiment.id, 'traces'])], [name]] : [['traces', '#/traces'], [name]]} />
    <div class="title"><h1 dir="auto">${name}</h1><${TraceState} state=${value.state} /></div>
    <p class="facts"><${Id} text=${id} /><span>${format.time(value.at)}</span><span>${format.duration(value.took)}</span>
      ${value.tokens != null && html`<span>${format.count(value.tokens)} tokens</span>`}${value.client_request_id && html`<span>request <code dir="auto">${value.client_request_id}</code></span>`}
      ${value.run && html`<span>run <${RunLink} run=${value.run} /></span>`}</p>
    <div class="trace">
      <${Waterfall} rows=${spans} selected=${selected} onSelect=${(/** @type {string} */ span) => setQuery({ span: span === spans[0]?.[0] ? null : span })} />
      <section class="card span-detail" aria-label="span">${row ? html`<${Detail} key=${selected} trace=${id} row=${row} assessments=${value.assessments} />` : html`<p class="dim">${spans.length ? 'Choose a span.' : 'No spans were kept of this trace.'}</p>`}</section>
    </div>
    <div class="cards">
      <section class="card"><h2>Assessments <span class="dim">${value.assessments.length}</span></h2><${Assessments} all=${value.assessments} /></section>
      <section class="card"><h2>Tags <span class="dim">${Object.keys(value.tags).length}</span></h2>
        <${Tags} of=${value} tags=${Object.entries(value.tags)} onSet=${(/** @type {string} */ key, /** @type {string} */ text) => tryWrite(`traces/${encodeURIComponent(id)}/tags`, { key, value: text }, 'PATCH')} onDrop=${(/** @type {string} */ key) => tryWrite(`traces/${encodeURIComponent(id)}/tags`, { key }, 'DELETE')} />
        ${facts.length > 0 && html`<details><summary>${facts.length} of the system</summary><${Pairs} label="what is known of the trace" rows=${facts} empty="" /></details>`}
        ${!mayWrite(value) && html`<p class="dim small">You may look at this trace, and not change it.</p>`}</section>
    </div>
  </main>`;
}

/** @param {{ trace: string, row: any[], assessments: any[] }} props */
function Detail({ trace, row, assessments }) {
  const [id, , name, type, at, lasted, status] = row;
  const { value, error, busy, again } = useAnswer(async signal => {
    // Whoever goes through the spans by keys asks for the one where they stop.
    await new Promise(resolve => setTimeout(resolve, 80));
    signal.throwIfAborted();
    return get(`trace/${encodeURIComponent(trace)}/span`, [['span', id]], signal);
  }, id);
  const failures = (value?.events ?? []).filter((/** @type {any} */ event) => event.name === 'exception');
  const others = (value?.events ?? []).filter((/** @type {any} */ event) => event.name !== 'exception');
  const about = assessments.filter(one => one.span_id === id);
  return html`<div class="title"><h2 dir="auto">${name}</h2>${type !== 'UNKNOWN' && html`<span class="badge plain-badge" dir="auto">${type}</span>`}${status === 'ERROR' && html`<span class="status" data-status="FAILED">failed</span>`}</div>
    <p class="facts small"><span>began after ${took(at)}</span><span>took ${took(lasted)}</span><${Id} text=${id} /></p>
    ${error && html`<${Trouble} error=${error} retry=${again} />`}
    ${!value && busy && html`<${Waiting} />`}
    ${value && html`
      ${value.description && html`<p dir="auto">${String(value.description)}</p>`}
      ${value.message && html`<p class="failed-text" dir="auto">${value.message}</p>`}
      ${failures.map((/** @type {any} */ { attributes }) => html`<section class="exception"><p class="failed-text" dir="auto"><strong>${String(attributes['exception.type'] ?? 'exception')}</strong> ${String(attributes['exception.message'] ?? '')}</p>
        ${attributes['exception.stacktrace'] && html`<details><summary>where it was raised</summary><pre class="code">${String(attributes['exception.stacktrace'])}</pre></details>`}</section>`)}
      ${value.has_inputs ? html`<${Json} label="Inputs" value=${value.inputs} />` : html`<p class="dim">No inputs were recorded.</p>`}
      ${value.has_outputs ? html`<${Json} label="Outputs" value=${value.outputs} />` : html`<p class="dim">No outputs were recorded.</p>`}
      ${Object.keys(value.attributes).length > 0 && html`<${Json} label="Attributes" value=${value.attributes} />`}
      ${others.length > 0 && html`<h3>Events</h3><ul class="plain">${others.map((/** @type {any} */ event) => html`<li><strong dir="auto">${event.name}</strong> <span class="dim small">after ${took(event.at)}</span>${Object.keys(event.attributes ?? {}).length > 0 && html`<${Json} label="its attributes" value=${event.attributes} open=${false} />`}</li>`)}</ul>`}
      ${value.links.length > 0 && html`<${Json} label="Links" value=${value.links} open=${false} />`}
      ${about.length > 0 && html`<h3>Assessments</h3><${Assessments} all=${about} />`}`}`;
}

const SOURCES = /** @type {Record<string, string>} */ ({ HUMAN: 'a person', LLM_JUDGE: 'a model', CODE: 'code' });

/** @param {{ all: any[] }} props */
function Assessments({ all }) {
  if (!all.length) return html`<p class="dim">None yet: <code>tracklet.log_feedback(trace_id=…, name="correct", value=True)</code></p>`;
  const now = all.filter(one => one.valid !== false);
  const before = all.filter(one => one.valid === false);
  return html`${now.map(one => html`<${Assessment} one=${one} />`)}${before.length > 0 && html`<details><summary>${before.length} replaced since</summary>${before.map(one => html`<${Assessment} one=${one} />`)}</details>`}`;
}

/** @param {{ one: any }} props */
function Assessment({ one }) {
  const content = one.feedback ?? one.expectation ?? {};
  const value = content.serialized_value?.value ?? content.value;
  const failure = content.error ?? one.error;
  const text = value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const source = one.source ?? {};
  return html`<article class="assessment"><p><strong dir="auto">${one.assessment_name}</strong> ${text && html`<span class="value" data-kind=${typeof value === 'boolean' ? String(value) : ''} dir="auto"><${Long} text=${text} /></span>`}
      ${one.expectation && html`<span class="badge">expected</span>`}</p>
    ${failure && html`<p class="failed-text" dir="auto">${failure.error_code} ${failure.error_message ?? ''}</p>`}
    ${one.rationale && html`<p dir="auto"><${Long} text=${one.rationale} most=${600} /></p>`}
    <p class="dim small">by ${SOURCES[source.source_type] ?? 'somebody'}${source.source_id && source.source_id !== 'default' ? html` <span dir="auto">${source.source_id}</span>` : ''} · ${format.time(Date.parse(one.last_update_time ?? one.create_time))}${one.span_id && html` · <a href=${href(route.value.path, { ...Object.fromEntries(route.value.query), span: one.span_id })}>of a span</a>`}</p></article>`;
}
