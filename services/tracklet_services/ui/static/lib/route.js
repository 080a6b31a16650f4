/** The address is the view: hash routes with a query, as MLflow's. */
import { signal } from '../vendor/preact.js';

/** @typedef {{ path: string[], query: URLSearchParams }} Route */

/** @param {string} text @returns {string} */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** @returns {Route} */
function current() {
  const hash = location.hash.replace(/^#\/?/, '');
  const mark = hash.indexOf('?');
  const path = mark < 0 ? hash : hash.slice(0, mark);
  return {
    path: path.split('/').filter(Boolean).map(decoded),
    query: new URLSearchParams(mark < 0 ? '' : hash.slice(mark + 1)),
  };
}

/** Where we are. */
export const route = signal(current());

addEventListener('hashchange', () => {
  route.value = current();
});

/**
 * The address of a screen, for a link.
 * @param {string[]} path @param {Record<string, string | null | undefined>} [query]
 */
export function href(path, query = {}) {
  const given = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value) given.set(key, value);
  const text = given.toString();
  return `#/${path.map(encodeURIComponent).join('/')}${text ? `?${text}` : ''}`;
}

/** @param {string} address @param {boolean} [replace] */
export function go(address, replace = false) {
  if (replace) {
    history.replaceState(null, '', address);
    route.value = current();
  } else {
    location.hash = address;
  }
}

/**
 * Change parts of the query; what is empty is left out.
 * @param {Record<string, string | null>} changes @param {boolean} [replace]
 */
export function setQuery(changes, replace = true) {
  const { path, query } = route.value;
  const all = Object.fromEntries(query);
  go(href(path, { ...all, .../** @type {any} */ (changes) }), replace);
}
