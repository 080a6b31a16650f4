/** The arrays of a figure: plain, or typed ones as base64. */

const KINDS = /** @type {Record<string, any>} */ ({
  f8: Float64Array, f4: Float32Array, i4: Int32Array, u4: Uint32Array, i2: Int16Array, u2: Uint16Array, i1: Int8Array, u1: Uint8Array,
});

/** @param {any} given @returns {any[]} */
export function array(given) {
  if (Array.isArray(given)) return given;
  if (given && typeof given.bdata === 'string' && KINDS[given.dtype]) {
    const text = atob(given.bdata);
    const bytes = Uint8Array.from(text, c => c.charCodeAt(0));
    const flat = Array.from(new KINDS[given.dtype](bytes.buffer, 0, Math.floor(bytes.length / KINDS[given.dtype].BYTES_PER_ELEMENT)));
    const shape = typeof given.shape === 'string' ? given.shape.split(',').map(Number) : given.shape;
    if (Array.isArray(shape) && shape.length === 2) {
      return Array.from({ length: shape[0] }, (_, i) => flat.slice(i * shape[1], (i + 1) * shape[1]));
    }
    return flat;
  }
  return [];
}

const COLOUR = /^(#[0-9a-f]{3,8}|rgba?\([\d.,%\s/]+\)|hsla?\([\d.,%\s/a-z]+\)|[a-z]{3,30})$/i;

/** A colour of the data, if it is one. @param {any} given @param {string} otherwise */
export function colourOf(given, otherwise) {
  return typeof given === 'string' && COLOUR.test(given.trim()) ? given.trim() : otherwise;
}

/** A title, which figures spell as a text or as an object. @param {any} given @returns {string} */
export function titleOf(given) {
  const text = typeof given === 'string' ? given : given?.text;
  return typeof text === 'string' ? text.replace(/<br\s*\/?>/gi, ' ').replace(/<[^>]{0,80}>/g, '') : '';
}
