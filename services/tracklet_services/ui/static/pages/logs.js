/** What a run printed, as it comes. */
import { html, useEffect, useRef, useState } from '../vendor/preact.js';
import { ask, fileUrl } from '../lib/api.js';
import { plain, settled } from '../lib/ansi.js';
import * as format from '../lib/format.js';
import { Lines } from '../lib/lines.js';
import { Trouble, Waiting } from '../lib/parts.js';

const EVERY = 1000;

/** What is known of a log: whole lines, and the beginning of one. */
class Log {
  constructor() {
    this.size = 0;
    this.from = 0;
    this.at = 0;
    /** @type {string[]} */
    this.lines = [];
    this.rest = '';
    this.text = new TextDecoder();
  }

  /** Fetch what was appended. @param {string} run @param {AbortSignal} signal @returns {Promise<boolean>} Whether anything was. */
  async fetch(run, signal) {
    const response = await ask('log', [['run', run], .../** @type {[string, string][]} */ (this.size ? [['from', String(this.at)]] : [])], signal);
    const bytes = await response.arrayBuffer();
    const from = Number(response.headers.get('tracklet-from'));
    const size = Number(response.headers.get('tracklet-size'));
    if (!this.size || from !== this.at) {
      Object.assign(this, { from, at: from, lines: [], rest: '', text: new TextDecoder() });
    }
    this.size = size;
    this.at += bytes.byteLength;
    if (!bytes.byteLength) return false;
    const parts = (this.rest + this.text.decode(bytes, { stream: true })).split('\n');
    this.rest = parts.pop() ?? '';
    for (const part of parts) this.lines.push(settled(part));
    return true;
  }

  get shown() {
    return this.rest ? [...this.lines, settled(this.rest)] : this.lines;
  }
}

/** @param {{ run: any }} props */
export default function Logs({ run: { info } }) {
  const log = useRef(new Log());
  const [, turn] = useState(0);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [came, setCame] = useState(false);
  const [find, setFind] = useState('');
  const [follow, setFollow] = useState(true);
  const running = info.status === 'RUNNING';
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    const look = async () => {
      try {
        if (!document.hidden) {
          // More than one answer holds is fetched at once.
          let news = false;
          while (await log.current.fetch(info.run_id, controller.signal)) {
            news = true;
            if (log.current.at >= log.current.size) break;
          }
          setError(null);
          setCame(true);
          if (news) turn(n => n + 1);
        }
      } catch (problem) {
        if (controller.signal.aborted) return;
        setError(problem);
      }
      if (running && !controller.signal.aborted) timer = setTimeout(look, EVERY);
    };
    look();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [info.run_id, running]);
  const { shown, from, size } = log.current;
  const wanted = find.toLowerCase();
  const numbers = wanted ? shown.flatMap((line, i) => (plain(line).toLowerCase().includes(wanted) ? [i + 1] : [])) : null;
  if (error && !came) return html`<${Trouble} error=${error} />`;
  if (!came) return html`<${Waiting} />`;
  if (!size) return html`<p class="dim">${running ? 'Nothing was printed yet.' : 'Nothing that this run printed was kept. Runs of tracklet keep it, unless TRACKLET_CAPTURE_OUTPUT is false.'}</p>`;
  return html`${error && html`<${Trouble} error=${error} />`}
    <div class="bar"><input type="search" data-filter placeholder="find lines" aria-label="find lines" value=${find} onInput=${(/** @type {any} */ e) => setFind(e.target.value)} />
      <span class="dim small">${numbers ? `${format.count(numbers.length)} of ` : ''}${format.count(shown.length)} lines${from ? ` of the last ${format.bytes(size - from)} of ${format.bytes(size)}` : ''}</span>
      ${running && html`<label class="check"><input type="checkbox" checked=${follow} onChange=${(/** @type {any} */ e) => setFollow(e.target.checked)} />follow</label>`}
      <span class="grow"></span><a class="button" href=${fileUrl('runs', info.run_id, 'tracklet/output.log', '?download=1')} download="output.log">download</a></div>
    <${Lines} label="what the run printed" follow=${running && follow && !find} lines=${numbers ? numbers.map(n => shown[n - 1]) : shown} numbers=${numbers ?? undefined} />`;
}
