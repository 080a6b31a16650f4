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

export const theme = signal(preference('theme'));

/** @param {string} name '' follows the system. */
export function setTheme(name) {
  theme.value = name;
  prefer('theme', name);
  showTheme();
}

export function showTheme() {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
}

export const density = signal(preference('density'));

/** @param {string} name '' is comfortable. */
export function setDensity(name) {
  density.value = name;
  prefer('density', name);
  showDensity();
}

export function showDensity() {
  if (density.value) document.documentElement.dataset.density = density.value;
  else delete document.documentElement.dataset.density;
}
