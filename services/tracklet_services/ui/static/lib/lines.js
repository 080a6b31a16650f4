/** Many lines of text, of which only those in view are in the page. */
import { html, useEffect, useLayoutEffect, useRef, useState } from '../vendor/preact.js';
import { pieces } from './ansi.js';

const HIGH = 18;
const SPARE = 20;

/** What a line of a patch is. @param {string} line */
export const ofPatch = line => (/^(diff |index |\+\+\+ |--- )/.test(line) ? 'file' : line.startsWith('@@') ? 'hunk' : line[0] === '+' ? 'added' : line[0] === '-' ? 'removed' : '');

/**
 * @param {{ lines: string[], first?: number, numbers?: number[], label: string, follow?: boolean, look?: (line: string) => string }} props
 *   `first` is the number of the first line, `numbers` those of each; with `follow` the end stays in view until one scrolls.
 */
export function Lines({ lines, first = 1, numbers, label, follow = false, look }) {
  const box = useRef(/** @type {any} */ (null));
  const atEnd = useRef(true);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    if (follow && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines.length, follow]);
  useEffect(() => setTop(box.current.scrollTop), [lines.length]);
  const from = Math.max(0, Math.floor(top / HIGH) - SPARE);
  const to = Math.min(lines.length, from + Math.ceil((box.current?.clientHeight ?? 700) / HIGH) + 2 * SPARE);
  const digits = String((numbers?.[numbers.length - 1] ?? first + lines.length) || 0).length;
  return html`<div class="line-box" ref=${box} tabindex="0" role="region" aria-label=${label} onScroll=${(/** @type {any} */ e) => {
    const at = e.currentTarget;
    atEnd.current = at.scrollTop + at.clientHeight >= at.scrollHeight - HIGH;
    if (Math.abs(at.scrollTop - top) > (SPARE / 2) * HIGH || atEnd.current || at.scrollTop === 0) setTop(at.scrollTop);
  }}><div class="line-body" style=${{ height: `${lines.length * HIGH}px` }}><pre style=${{ top: `${from * HIGH}px` }}>
    ${lines.slice(from, to).map((line, i) => html`<span class=${`line ${look?.(line) ?? ''}`} key=${from + i}><span class="line-number" aria-hidden="true">${String(numbers?.[from + i] ?? first + from + i).padStart(digits)}</span>${pieces(line).map(({ text, look: of }) => (of ? html`<span class=${`ansi ${of}`}>${text}</span>` : text))}${'\n'}</span>`)}</pre></div></div>`;
}
