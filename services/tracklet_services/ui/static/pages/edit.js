/** What can be changed of a run, a model or a version: its note, its name, its tags. */
import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { Markdown } from '../lib/markdown.js';
import { Long } from '../lib/parts.js';
import { say } from '../lib/state.js';
import { mayWrite } from '../lib/write.js';

/**
 * @typedef {object} NoteOf
 * @property {string} note
 * @property {() => Promise<string>} latest    What it is by now.
 * @property {(text: string) => Promise<boolean>} onSave
 * @property {(path: string) => string | null} image
 * @property {string} [word]    What it is called: a note.
 * @property {any} [of]         What it belongs to, for the rights on it.
 *
 * @param {NoteOf} props
 */
export function Note({ note, latest, onSave, image, word = 'note', of }) {
  const [draft, setDraft] = useState(/** @type {string | null} */ (null));
  const [shown, setShown] = useState(false);
  const began = useRef(note);
  const box = useRef(/** @type {any} */ (null));
  useEffect(() => {
    if (draft !== null && !shown) box.current?.focus();
  }, [draft !== null, shown]);
  const edit = () => {
    began.current = note;
    setDraft(note);
    setShown(false);
  };
  const save = async () => {
    let now;
    try {
      now = await latest();
    } catch (error) {
      say(`The ${word} was not saved. ${/** @type {Error} */ (error).message}`);
      return;
    }
    if (now !== began.current && now !== draft) {
      began.current = now;
      say(`The ${word} was changed meanwhile by somebody else: save again to replace it.`);
      return;
    }
    if (draft !== null && (await onSave(draft))) setDraft(null);
  };
  if (draft === null) {
    if (!note && !mayWrite(of)) return null;
    return html`<section class="card full"><div class="bar"><h2>${word[0].toUpperCase() + word.slice(1)}</h2><span class="grow"></span>${mayWrite(of) && html`<button class="quiet small" onClick=${edit}>${note ? `edit the ${word}` : `write a ${word}`}</button>`}</div>
      ${note ? html`<${Markdown} text=${note} image=${image} />` : ''}</section>`;
  }
  return html`<section class="card full"><div class="bar"><h2>${word[0].toUpperCase() + word.slice(1)}</h2><span class="dim small">Markdown</span><span class="grow"></span><button class="quiet small" aria-pressed=${shown} onClick=${() => setShown(!shown)}>preview</button></div>
    ${shown ? html`<${Markdown} text=${draft} image=${image} />` : html`<textarea ref=${box} aria-label=${word} rows="10" value=${draft} onInput=${(/** @type {any} */ e) => setDraft(e.target.value)} onKeyDown=${(/** @type {any} */ e) => {
      if (e.key === 'Escape' && draft === note) setDraft(null);
      if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) save();
    }}></textarea>`}
    <p class="bar"><button class="primary" onClick=${save}>save the ${word}</button><button onClick=${() => setDraft(null)}>cancel</button></p></section>`;
}

/** @param {{ name: string, label: string, onSave: (name: string) => Promise<boolean>, of?: any }} props */
export function Name({ name, label, onSave, of }) {
  const [draft, setDraft] = useState(/** @type {string | null} */ (null));
  const box = useRef(/** @type {any} */ (null));
  useEffect(() => box.current?.select(), [draft !== null]);
  if (draft === null) return html`<h1 dir="auto">${name}</h1>${mayWrite(of) && html`<button class="quiet small" onClick=${() => setDraft(name)}>rename</button>`}`;
  const save = async () => {
    if (draft.trim() === name || (draft.trim() && (await onSave(draft.trim())))) setDraft(null);
  };
  return html`<input ref=${box} class="rename" aria-label=${label} value=${draft} onInput=${(/** @type {any} */ e) => setDraft(e.target.value)} onKeyDown=${(/** @type {any} */ e) => {
    if (e.key === 'Enter') save();
    if (e.key === 'Escape') setDraft(null);
  }} /><button class="primary" onClick=${save}>save</button><button onClick=${() => setDraft(null)}>cancel</button>`;
}

/**
 * @typedef {object} TagsOf
 * @property {[string, string][]} tags
 * @property {(key: string, value: string) => Promise<boolean>} onSet
 * @property {(key: string) => Promise<boolean>} onDrop
 * @property {any} [of]
 *
 * @param {TagsOf} props
 */
export function Tags({ tags, onSet, onDrop, of }) {
  const [key, setKey] = useState('');
  const [value, setValue] = useState('');
  const add = async (/** @type {any} */ event) => {
    event.preventDefault();
    if (key.trim() && (await onSet(key.trim(), value))) {
      setKey('');
      setValue('');
    }
  };
  const drop = async (/** @type {string} */ name, /** @type {string} */ old) => {
    if (await onDrop(name)) say(`The tag ${name} is gone.`, 'undo', () => onSet(name, old));
  };
  return html`${!tags.length && html`<p class="dim">No tags were set.</p>`}
    <table class="pairs"><tbody>${tags.map(([name, text]) => html`<tr key=${name}><th scope="row">${name}</th><td><${Long} text=${text} /></td><td class="narrow">${mayWrite(of) && html`<button class="quiet small" aria-label=${`remove the tag ${name}`} onClick=${() => drop(name, text)}>×</button>`}</td></tr>`)}</tbody></table>
    ${mayWrite(of) && html`<form class="bar tag-form" onSubmit=${add}><input placeholder="key" aria-label="key of a tag" value=${key} onInput=${(/** @type {any} */ e) => setKey(e.target.value)} /><input placeholder="value" aria-label="value of a tag" value=${value} onInput=${(/** @type {any} */ e) => setValue(e.target.value)} /><button>set</button></form>`}`;
}
