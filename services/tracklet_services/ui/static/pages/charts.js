import { html } from '../vendor/preact.js';
export default function Charts() {
  return html`<p class="dim">soon</p>`;
}
