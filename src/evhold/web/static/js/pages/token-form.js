// The dialog in which a token is added or changed.
import { put } from '../api.js';
import { dialog, openDialog } from '../dialog.js';
import { h } from '../dom.js';
import { mask } from '../format.js';
import { icon } from '../icons.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { local } from './fields.js';

/** Every type that a token can have. */
export const TYPES = ['ISO14443', 'ISO15693', 'eMAID', 'KeyCode', 'Central', 'Local', 'MacAddress', 'NoAuthorization'];

/** Every status that a token can have. */
export const STATUSES = ['Accepted', 'Blocked', 'Expired', 'Invalid'];

/** Where a token is found in the API. */
export const pathOf = (token) => `/tokens/${encodeURIComponent(token.type)}/${encodeURIComponent(token.idToken)}`;

/** Whether both are the same token: compared without case, together with the type. */
export const same = (a, b) => a.type === b.type && a.idToken.toLowerCase() === b.idToken.toLowerCase();

/** The group's text, or an empty one. */
export const groupOf = (token) => token.groupIdToken?.idToken ?? '';

/** Opens the dialog for a new token (null), or for a known one; `all` are those that are registered, `saved(token)` is called with what was stored. */
export function editToken(token, { all, saved, signal }) {
  const form = tokenForm(all, token);
  const box = dialog({ head: token ? t('tokens.editTitle', { token: mask(token.idToken) }) : t('tokens.addTitle'), body: form.el });
  form.el.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (await save(token, form, { all, saved })) box.close();
  });
  form.cancel.addEventListener('click', () => box.close());
  openDialog(box, { signal });
}

function tokenForm(all, token) {
  const pick = (name, label, options, value) => {
    const input = h(
      'select',
      { name },
      options.map((one) => h('option', { value: one, selected: one === value }, one)),
    );
    return h('label', { class: 'field' }, h('span', null, label), h('span', { class: 'select' }, input, icon('chevron')));
  };
  const text = (name, label, more, hint) =>
    h(
      'label',
      { class: 'field' },
      h('span', null, label),
      h('input', { name, autocomplete: 'off', spellcheck: 'false', ...more }),
      hint ? h('span', { class: 'note quiet' }, hint) : null,
    );
  const groups = [...new Set(all.map(groupOf).filter(Boolean))].sort();
  const wrong = h('p', { class: 'wrong t-fault', role: 'alert', hidden: true });
  const cancel = h('button', { class: 'btn push', type: 'button' }, t('words.cancel'));
  const send = h('button', { class: 'btn main', type: 'submit' }, t('tokens.save'));
  const el = h(
    'form',
    { class: 'token-form' },
    h(
      'div',
      { class: 'dlg-body' },
      token
        ? null
        : h(
            'div',
            { class: 'fields-2' },
            text('idToken', t('tokens.column.token'), { required: true, maxlength: '36', autofocus: true }, t('tokens.tokenHint')),
            pick('type', t('tokens.type'), TYPES, TYPES[0]),
          ),
      pick('status', t('tokens.status'), STATUSES, token?.status ?? STATUSES[0]),
      h(
        'div',
        { class: 'fields-2' },
        text('group', t('tokens.group'), { maxlength: '36', list: 'token-groups', value: groupOf(token ?? {}) || undefined }, t('tokens.groupHint')),
        pick('groupType', t('tokens.groupType'), TYPES, token?.groupIdToken?.type ?? 'Central'),
      ),
      h(
        'datalist',
        { id: 'token-groups' },
        groups.map((one) => h('option', { value: one })),
      ),
      text(
        'expiry',
        t('tokens.expiry'),
        { type: 'datetime-local', value: token?.cacheExpiryDateTime ? local(token.cacheExpiryDateTime).slice(0, 16) : undefined },
        t('tokens.expiryHint'),
      ),
      text('message', t('tokens.message'), { maxlength: '512', value: token?.personalMessage ?? undefined }, t('tokens.messageHint')),
      wrong,
    ),
    h('div', { class: 'dlg-foot' }, cancel, send),
  );
  return { el, cancel, send, wrong };
}

async function save(token, { el, send, wrong }, { all, saved }) {
  const given = Object.fromEntries(new FormData(el));
  const target = token ?? { idToken: given.idToken.trim(), type: given.type };
  const expiry = given.expiry ? new Date(given.expiry).toISOString() : null;
  const kept = token?.cacheExpiryDateTime && given.expiry === local(token.cacheExpiryDateTime).slice(0, 16);
  const body = {
    status: given.status,
    groupIdToken: given.group.trim() ? { idToken: given.group.trim(), type: given.groupType } : null,
    cacheExpiryDateTime: kept ? token.cacheExpiryDateTime : expiry,
    personalMessage: given.message.trim() || null,
  };
  const known = all.find((one) => same(one, target));
  wrong.hidden = true;
  if (!token && known) return refuse(wrong, t('tokens.known'));
  send.disabled = true;
  try {
    const stored = await put(pathOf(target), body);
    saved(stored);
    toast(
      t(token ? 'tokens.saved' : 'tokens.added', { name: t('tokens.named', { token: mask(stored.idToken), type: stored.type }) }),
      t('tokens.savedMore', { status: stored.status }),
      { tone: 'free' },
    );
    return true;
  } catch (error) {
    return refuse(wrong, error.detail || error.message);
  } finally {
    send.disabled = false;
  }
}

function refuse(wrong, text) {
  wrong.replaceChildren(text);
  wrong.hidden = false;
  return false;
}
