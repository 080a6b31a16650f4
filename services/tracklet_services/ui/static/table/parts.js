/** Small windows over the table: menus of columns, of exports, of views. */
import { html, useLayoutEffect, useRef } from '../vendor/preact.js';

/**
 * A menu at a place of the screen; what had the focus gets it back.
 * @param {{ at: { left: number, bottom: number }, label: string, onClose: () => void, children?: any }} props
 */
export function Menu({ at, label, onClose, children }) {
  const box = useRef(/** @type {any} */ (null));
  // At once: a key that is pressed right after is the menu's.
  useLayoutEffect(() => {
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    const { offsetWidth, offsetHeight, style } = box.current;
    style.left = `${Math.max(8, Math.min(at.left, innerWidth - offsetWidth - 8))}px`;
    style.top = `${Math.max(8, Math.min(at.bottom + 2, innerHeight - offsetHeight - 8))}px`;
    box.current.querySelector('button:not(:disabled), input, a')?.focus();
    const outside = (/** @type {Event} */ event) => {
      if (!box.current?.contains(event.target)) onClose();
    };
    addEventListener('pointerdown', outside, true);
    return () => {
      removeEventListener('pointerdown', outside, true);
      before?.focus?.({ preventScroll: true });
    };
  }, []);
  return html`<div class="menu" ref=${box} role="dialog" aria-label=${label} onKeyDown=${(/** @type {any} */ e) => {
    const items = [...box.current.querySelectorAll('button:not(:disabled), input, a')];
    const now = items.indexOf(document.activeElement);
    if (e.key === 'Escape' || e.key === 'Tab') onClose();
    else if (e.key === 'ArrowDown') items[(now + 1) % items.length]?.focus();
    else if (e.key === 'ArrowUp') items[(now - 1 + items.length) % items.length]?.focus();
    else return;
    e.preventDefault();
    e.stopPropagation();
  }}>${children}</div>`;
}

/**
 * A button with a menu below it; `of` says of what it is, where there are several of it.
 * @param {{ label: string, of?: string, quiet?: boolean, open: boolean, onOpen: (open: boolean) => void, children?: any }} props
 */
export function MenuButton({ label, of, quiet, open, onOpen, children }) {
  const button = useRef(/** @type {any} */ (null));
  return html`<button ref=${button} class=${quiet ? 'quiet small' : ''} aria-label=${of && `${label} ${of}`} aria-expanded=${open} onClick=${() => onOpen(!open)}>${label} ▾</button>
    ${open && html`<${Menu} at=${button.current.getBoundingClientRect()} label=${label} onClose=${() => onOpen(false)}>${children}</${Menu}>`}`;
}
