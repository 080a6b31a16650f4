/** What all screens share. */
import { signal } from '../vendor/preact.js';

/** About the record; null until the server has said it. @type {import('../vendor/preact.js').Signal<any>} */
export const place = signal(/** @type {any} */ (null));

/** What a screen reader is told. */
export const announced = signal('');

/** @param {string} text */
export function announce(text) {
  announced.value = text;
}

/** A line at the bottom of the screen, with something to do about it. @type {any} */
export const toast = signal(/** @type {null | { text: string, label?: string, act?: () => void }} */ (null));
let waiting = 0;

/** @param {string} text @param {string} [label] @param {() => void} [act] */
export function say(text, label, act) {
  clearTimeout(waiting);
  toast.value = { text, label, act };
  waiting = setTimeout(() => (toast.value = null), act ? 8000 : 3000);
}

const PREFIX = 'tracklet.';

/** @param {string} name @param {string} [otherwise] */
export function preference(name, otherwise = '') {
  try {
    return localStorage.getItem(PREFIX + name) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** @param {string} name @param {string} value */
export function prefer(name, value) {
  try {
    if (value) localStorage.setItem(PREFIX + name, value);
    else localStorage.removeItem(PREFIX + name);
  } catch {
    // Then it holds until the page is closed.
  }
}

/** A preference that the style sheet sees on the page as `data-NAME`. @param {string} name */
function look(name) {
  const chosen = signal(preference(name));
  const { dataset } = document.documentElement;
  chosen.subscribe((/** @type {string} */ value) => {
    if (value) dataset[name] = value;
    else delete dataset[name];
  });
  /** @param {string} value */
  const set = value => {
    chosen.value = value;
    prefer(name, value);
  };
  return /** @type {[import('../vendor/preact.js').Signal<string>, (value: string) => void]} */ ([chosen, set]);
}

/** '' follows the system. */
export const [theme, setTheme] = look('theme');

/** '' is comfortable. */
export const [density, setDensity] = look('density');
