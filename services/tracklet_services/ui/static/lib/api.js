/** The server's answers: documents, and frames of numbers that need no parsing. */

export const BASE = new URL('api/ui/v1/', location.href.split('#')[0].split('?')[0]);

export class ApiError extends Error {
  /** @param {number} status @param {any} document */
  constructor(status, document) {
    super(document.message ?? 'the server did not answer');
    this.status = status;
    this.document = document;
  }
}

/** @param {string} path @param {[string, string][]} params @param {AbortSignal} [signal] */
export async function ask(path, params, signal) {
  const url = new URL(path, BASE);
  for (const [key, value] of params) url.searchParams.append(key, value);
  let response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    if (/** @type {Error} */ (error).name === 'AbortError') throw error;
    throw new ApiError(0, { message: 'The server does not answer. It may have been stopped; start it with: tracklet ui' });
  }
  if (!response.ok) {
    const text = await response.text();
    let document;
    try {
      document = JSON.parse(text);
    } catch {
      document = { message: text || response.statusText };
    }
    throw new ApiError(response.status, document);
  }
  return response;
}

/** @param {string} path @param {[string, string][]} [params] @param {AbortSignal} [signal] */
export async function get(path, params = [], signal) {
  return (await ask(path, params, signal)).json();
}

const ARRAYS = { f64: Float64Array, i32: Int32Array, u32: Uint32Array, u8: Uint8Array };

/** @typedef {{ header: any, buffers: any[] }} Frame */

/** @param {ArrayBuffer} data @returns {Frame} */
export function decode(data) {
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  let at = 4 + length;
  const buffers = header.buffers.map((/** @type {['f64', number]} */ [type, count]) => {
    at += (8 - (at % 8)) % 8;
    const made = new ARRAYS[type](data, at, count);
    at += made.byteLength;
    return made;
  });
  return { header, buffers };
}

/** @param {string} path @param {[string, string][]} [params] @param {AbortSignal} [signal] */
export async function frame(path, params = [], signal) {
  return decode(await (await ask(path, params, signal)).arrayBuffer());
}

/**
 * The address of a file.
 * @param {'runs' | 'models'} kind @param {string} owner @param {string} path @param {string} [query]
 */
export function fileUrl(kind, owner, path, query = '') {
  const place = path.split('/').map(encodeURIComponent).join('/');
  return new URL(`../../../files/${kind}/${encodeURIComponent(owner)}/${place}${query}`, BASE).href;
}

/** @param {string} url @param {AbortSignal} [signal] */
export async function fileText(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new ApiError(response.status, { message: await response.text() });
  return response.text();
}
