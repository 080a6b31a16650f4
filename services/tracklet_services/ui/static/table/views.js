/** Views with a name: what the address says of a table, kept as a tag of its experiment, for everybody. */
import { html, useState } from '../vendor/preact.js';
import { route } from '../lib/route.js';
import { mayWrite, tryWrite } from '../lib/write.js';

const PREFIX = 'tracklet.view.';
const LONGEST = 5000;

/** @param {Record<string, string>} tags @returns {[string, string][]} */
export const viewsOf = tags => Object.entries(tags).filter(([key]) => key.startsWith(PREFIX)).map(([key, text]) => /** @type {[string, string]} */ ([key.slice(PREFIX.length), text])).sort(([a], [b]) => (a < b ? -1 : 1));

/** @param {{ experiment: string, tags: Record<string, string>, of: any, onClose: () => void }} props */
export function Views({ experiment, tags, of, onClose }) {
  const [name, setName] = useState('');
  const views = viewsOf(tags);
  const query = new URLSearchParams(route.value.query);
  query.delete('turn');
  const now = query.toString();
  const save = async (/** @type {any} */ event) => {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted && (await tryWrite('experiments/set-experiment-tag', { experiment_id: experiment, key: PREFIX + wanted, value: now || ' ' }))) onClose();
  };
  return html`${!views.length && html`<p class="dim small">No view was saved of this experiment yet.</p>`}
    ${views.map(([title, text]) => html`<p class="view" key=${title}><a href=${`#/${route.value.path.map(encodeURIComponent).join('/')}?${text.trim()}`} aria-current=${text.trim() === now ? 'true' : undefined} onClick=${onClose} dir="auto">${title}</a>
      ${mayWrite(of) && html`<button class="quiet small" aria-label=${`forget the view ${title}`} onClick=${() => tryWrite('experiments/delete-experiment-tag', { experiment_id: experiment, key: PREFIX + title })}>×</button>`}</p>`)}
    ${mayWrite(of) && (now.length > LONGEST ? html`<p class="reason small">This view is too long to be kept: ${now.length} characters of at most ${LONGEST}.</p>` : html`<form class="bar tag-form" onSubmit=${save}><input aria-label="name of the view" placeholder="name of what is shown now" value=${name} onInput=${(/** @type {any} */ e) => setName(e.target.value)} /><button>save</button></form>
      <p class="dim small">Kept as a tag of the experiment: everybody sees it.</p>`)}`;
}
