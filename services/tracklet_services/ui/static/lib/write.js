/** Changes to the record, by MLflow's public endpoints: one way to write, whoever writes. */
import { ApiError, BASE } from './api.js';
import { awaiting, changed } from './live.js';
import { place, say } from './state.js';

const ROOT = new URL('../../2.0/mlflow/', BASE);

/** @param {string} verb @param {Record<string, any>} body @param {string} [method] */
export async function write(verb, body, method = 'POST') {
  // Others hear of a change before its answer is here: until then this page asks for nothing that may be gone.
  const [response, text] = await awaiting(sent(verb, body, method));
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    document = { message: text };
  }
  if (!response.ok) throw new ApiError(response.status, document);
  changed();
  return document;
}

/** @param {string} verb @param {Record<string, any>} body @param {string} method @returns {Promise<[Response, string]>} */
async function sent(verb, body, method) {
  try {
    const response = await fetch(new URL(verb, ROOT), { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
    return [response, await response.text()];
  } catch {
    throw new ApiError(0, { message: 'The server does not answer; nothing was changed.' });
  }
}

/** Whether this page may change anything; of what an answer describes, if that says so. @param {{ may?: string }} [of] */
export const mayWrite = of => place.value !== null && !place.value.read_only && of?.may !== 'read';

/** Whether it may delete for good. @param {{ may?: string }} [of] */
export const mayDelete = of => mayWrite(of) && of?.may !== 'log';

/** Write, and say what went wrong if it did. @param {string} verb @param {Record<string, any>} body @param {string} [method] */
export async function tryWrite(verb, body, method) {
  try {
    await write(verb, body, method);
    return true;
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    return false;
  }
}

/** Put runs into the trash, with a way back. @param {string[]} ids */
export async function trash(ids) {
  const gone = [];
  for (const run_id of ids) if (await tryWrite('runs/delete', { run_id })) gone.push(run_id);
  if (gone.length)
    say(gone.length === 1 ? 'The run is in the trash.' : `${gone.length} runs are in the trash.`, 'undo', async () => {
      for (const run_id of gone) await tryWrite('runs/restore', { run_id });
    });
  return gone;
}
