// Signing in with an API key.
import { h, say } from '../dom.js';
import { mark } from '../shell.js';
import { t } from '../text.js';

/** The sign-in page. `signIn(key)` signs in or throws; `why` says why the reader is here again. */
export function showSignIn({ why, signIn }) {
  const input = h('input', { id: 'key', name: 'key', type: 'password', class: 'code', autocomplete: 'current-password', required: true, autofocus: true, spellcheck: 'false', autocapitalize: 'off' });
  const seen = h('button', { class: 'btn plain slim', type: 'button', aria: { pressed: 'false' }, on: { click: reveal } }, t('shell.showKey'));
  const wrong = h('p', { class: 'wrong t-fault', role: 'alert' }, why || null);
  const go = h('button', { class: 'btn main wide', type: 'submit' }, t('shell.signIn'));
  const form = h('form', { class: 'panel sign-in', on: { submit } },
    h('div', { class: 't-held glyph' }, mark(40)),
    h('div', null, h('h1', null, t('shell.signInHead')), h('p', { class: 'soft' }, t('shell.signInText'))),
    h('div', { class: 'field' }, h('label', { for: 'key', class: 'small' }, h('b', null, t('shell.key'))), h('div', { class: 'with-end' }, input, seen)),
    wrong, go,
    h('p', { class: 'note quiet' }, t('shell.keyHint'), ' ', h('code', null, 'evhold key create'), '.'));
  queueMicrotask(() => input.focus());

  function reveal() {
    const hidden = input.type === 'password';
    input.type = hidden ? 'text' : 'password';
    seen.setAttribute('aria-pressed', String(hidden));
    say(seen, t(hidden ? 'shell.hideKey' : 'shell.showKey'));
  }

  async function submit(event) {
    event.preventDefault();
    if (go.disabled) return;
    go.disabled = true;
    say(go, t('shell.signingIn'));
    say(wrong, '');
    try {
      await signIn(input.value.trim());
    } catch (error) {
      say(wrong, t(error.status === 401 ? 'shell.wrongKey' : 'shell.unreachable'));
      input.select();
      go.disabled = false;
      say(go, t('shell.signIn'));
    }
  }
  return form;
}
