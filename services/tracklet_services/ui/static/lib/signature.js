/** How what a model takes and gives changed from one version to the next. */

/** @param {any} field */
export const typeOf = field => (field.type === 'tensor' ? `tensor ${field['tensor-spec']?.dtype} [${field['tensor-spec']?.shape}]` : typeof field.type === 'object' ? JSON.stringify(field.type) : String(field.type)) + (field.required === false ? ', optional' : '') + (field.default !== undefined ? ` = ${JSON.stringify(field.default)}` : '');

/**
 * What was added, left out, or is of another type.
 * @param {Record<string, any[] | null>} before @param {Record<string, any[] | null>} after
 * @returns {{ part: string, name: string, was: string | null, is: string | null }[]}
 */
export function changesOf(before, after) {
  const found = [];
  for (const part of ['inputs', 'outputs', 'params']) {
    const [old, now] = [before[part], after[part]].map(fields => new Map((fields ?? []).map((field, i) => [field.name ?? String(i), typeOf(field)])));
    for (const name of new Set([...old.keys(), ...now.keys()])) if (old.get(name) !== now.get(name)) found.push({ part, name, was: old.get(name) ?? null, is: now.get(name) ?? null });
  }
  return found;
}
