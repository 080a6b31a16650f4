/** What this browser keeps: how the pages look, and nothing of the record. */
import { html, useState } from '../vendor/preact.js';
import { time } from '../lib/format.js';
import { showHelp } from '../lib/keys.js';
import { density, prefer, preference, setDensity, setTheme, theme } from '../lib/state.js';

/** @param {{ name: string, title: string, options: [string, string][], value: string, onPick: (value: string) => void, note?: any }} props */
function Choice({ name, title, options, value, onPick, note }) {
  return html`<fieldset class="card choice"><legend>${title}</legend>
    ${options.map(([one, word]) => html`<label class="check"><input type="radio" name=${name} checked=${value === one} onChange=${() => onPick(one)} />${word}</label>`)}
    ${note && html`<p class="dim small">${note}</p>`}</fieldset>`;
}

export default function Settings() {
  const [, turn] = useState(0);
  const keep = (/** @type {string} */ name) => (/** @type {string} */ value) => {
    prefer(name, value);
    turn(n => n + 1);
  };
  document.title = 'settings · tracklet';
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return html`<main id="main" class="page" tabindex="-1">
    <div class="title"><h1>Settings</h1></div><p class="dim">They are kept in this browser and change nothing of the record.</p>
    <div class="cards">
      <${Choice} name="theme" title="Theme" options=${[['', 'as the system'], ['light', 'light'], ['dark', 'dark']]} value=${theme.value} onPick=${setTheme} />
      <${Choice} name="density" title="Density" options=${[['', 'comfortable'], ['compact', 'compact']]} value=${density.value} onPick=${setDensity} />
      <${Choice} name="zone" title="Time zone" options=${[['', `of this browser (${zone})`], ['utc', 'UTC']]} value=${preference('zone')} onPick=${keep('zone')} note=${html`Now it is <span class="figures">${time(Date.now())}</span>.`} />
      <${Choice} name="keys" title="Keys" options=${[['', 'single letters do something'], ['off', 'single letters do nothing']]} value=${preference('keys')} onPick=${keep('keys')} note=${html`<button class="quiet small" onClick=${showHelp}>all keys</button>`} />
    </div>
  </main>`;
}
