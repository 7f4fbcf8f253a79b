// The button that goes from light to dark and back; theme.js finds the choice at the next visit.
import { h } from './dom.js';
import { icon } from './icons.js';
import { t } from './text.js';

/** A new button. */
export function themeButton() {
  return h('button', { class: 'btn plain icon', type: 'button', aria: { label: t('shell.theme') }, on: { click: switchTheme } }, icon('theme'));
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try {
    localStorage.setItem('theme', root.dataset.theme);
  } catch {
    // No storage: it holds until the page is left.
  }
}
