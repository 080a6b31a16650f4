/** The columns that a drawing of a run table needs. */
import { useEffect, useState } from '../vendor/preact.js';

/** Fetch them, and draw anew once all are there. @param {any} data @param {string[]} wanted */
export function useColumns(data, wanted) {
  const [error, setError] = useState(/** @type {any} */ (null));
  const [, turn] = useState(0);
  const again = () => {
    data.whole(wanted).then(() => {
      setError(null);
      turn(n => n + 1);
    }, setError);
  };
  useEffect(again, [data, wanted.join()]);
  return { error, again };
}
