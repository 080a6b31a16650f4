/** Hears when something changed: a number that counts up, at most a few times a second. */
import { signal } from '../vendor/preact.js';
import { BASE } from './api.js';

/** Counts what was heard. */
export const changes = signal(0);

/** live, paused or lost */
export const state = signal('');

/** @type {EventSource | null} */
let source = null;
let listening = '';
let late = 0;

/** Listen to some experiments, or to all. @param {string} experiments */
export function listen(experiments) {
  if (experiments === listening && source) return;
  listening = experiments;
  connect();
}

function connect() {
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
    if (state.value === 'lost' || opened) changes.value++;
    opened = true;
    state.value = 'live';
  });
  source.addEventListener('error', () => {
    state.value = 'lost';
  });
  source.addEventListener('changed', () => {
    clearTimeout(late);
    late = setTimeout(() => changes.value++, 50);
  });
}

addEventListener('visibilitychange', () => {
  if (!listening && !source) return;
  connect();
  if (!document.hidden) changes.value++;
});
