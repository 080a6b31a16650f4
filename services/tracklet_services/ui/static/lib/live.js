/** Hears when something changed: a number that counts up, at most a few times a second. */
import { signal } from '../vendor/preact.js';
import { BASE } from './api.js';

/** Counts what was heard. */
export const changes = signal(0);

/** live, paused or lost */
export const state = signal('');

/** @type {EventSource | null} */
let source = null;
/** @type {string | null} */
let listening = null;
let late = 0;
let retry = 0;
let awaited = 0;

/** Count an answer as on its way until it is there. @template T @param {Promise<T>} answer @returns {Promise<T>} */
export function awaiting(answer) {
  awaited++;
  const came = () => {
    awaited--;
  };
  answer.then(came, came);
  return answer;
}

/** Have the pages ask anew, once no answer is on its way: they would give it up for another as slow. */
export function changed() {
  clearTimeout(late);
  late = setTimeout(() => (awaited ? changed() : changes.value++), awaited ? 100 : 50);
}

/** Listen to some experiments, or to all. @param {string} experiments */
export function listen(experiments) {
  if (experiments === listening && source) return;
  listening = experiments;
  connect();
}

function connect() {
  clearTimeout(retry);
  source?.close();
  source = null;
  if (document.hidden) {
    state.value = 'paused';
    return;
  }
  const url = new URL('events', BASE);
  if (listening) url.searchParams.set('experiments', listening);
  source = new EventSource(url);
  let opened = false;
  source.addEventListener('open', () => {
    // After a break something may have been missed.
    if (state.value === 'lost' || opened) changed();
    opened = true;
    state.value = 'live';
  });
  source.addEventListener('error', () => {
    state.value = 'lost';
    // After an answer that is no stream a browser tries no more.
    if (source?.readyState === EventSource.CLOSED) retry = setTimeout(connect, 5000);
  });
  source.addEventListener('changed', changed);
}

addEventListener('visibilitychange', () => {
  if (listening === null) return;
  connect();
  if (!document.hidden) changed();
});
