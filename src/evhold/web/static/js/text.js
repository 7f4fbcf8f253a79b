// What is said, from one file a language.
import en from './text/en.js';

const words = en;

/** The text of `section.key`, with {name} filled in; a key may be a function of its values. An unknown key is shown as it is. */
export function t(key, values = {}) {
  const found = key.split('.').reduce((at, part) => at?.[part], words);
  if (typeof found === 'function') return found(values);
  if (typeof found !== 'string') return key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
