// Tokens: whom Authorize lets charge, by what group, until when.
import { del, list } from '../api.js';
import { confirmDialog } from '../dialog.js';
import { fill, h } from '../dom.js';
import { dateTime, mask, number } from '../format.js';
import { now } from '../clock.js';
import { icon } from '../icons.js';
import { canOperate } from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { STATUSES, editToken, groupOf, pathOf, same } from './token-form.js';

const TONES = { Accepted: ['free', 't-free'], Blocked: ['refused', 't-fault'], Expired: ['expired', 't-over'], Invalid: ['failed', 't-over'] };
const SHOWN = 100;

/** The page's name. */
export function title() {
  return t('tokens.title');
}

/** The page is drawn in `root`. */
export async function show(root, params, { signal }) {
  const page = {
    all: [],
    text: '',
    status: '',
    group: '',
    shown: SHOWN,
    body: h('div'),
    count: h('p', { class: 'soft' }),
    filters: h('div', { class: 'filters' }),
    signal,
  };
  const add = canOperate() ? h('button', { class: 'btn', type: 'button', on: { click: () => edit(page, null) } }, icon('plus'), t('tokens.add')) : null;
  root.append(h('div', { class: 'head' }, h('h1', null, t('tokens.title')), page.count, h('div', { class: 'acts' }, add)), page.filters, page.body);
  page.body.append(bones());
  await load(page);
}

async function load(page) {
  try {
    page.all = await list('/tokens?limit=1000');
  } catch (error) {
    if (!page.signal.aborted)
      fill(
        page.body,
        failure(error, () => load(page)),
      );
    return;
  }
  if (page.signal.aborted) return;
  drawFilters(page);
  draw(page);
}

function drawFilters(page) {
  const search = h('input', {
    type: 'search',
    placeholder: t('tokens.search'),
    aria: { label: t('tokens.search') },
    autocomplete: 'off',
    spellcheck: 'false',
    value: page.text,
    on: { input: () => change({ text: search.value }) },
  });
  const change = (what) => {
    Object.assign(page, what, { shown: SHOWN });
    draw(page);
  };
  const groups = [...new Set(page.all.map(groupOf).filter(Boolean))].sort();
  const pick = (label, first, options, key, words) => {
    const input = h(
      'select',
      { aria: { label }, on: { change: () => change({ [key]: input.value }) } },
      h('option', { value: '' }, first),
      options.map((one) => h('option', { value: one, selected: page[key] === one }, words(one))),
    );
    return h('span', { class: 'select' }, input, icon('chevron'));
  };
  page.filters.hidden = page.all.length === 0;
  fill(
    page.filters,
    h('div', { class: 'search' }, icon('search'), search),
    pick(t('tokens.status'), t('tokens.everyStatus'), STATUSES, 'status', (one) => one),
    pick(t('tokens.group'), t('tokens.everyGroup'), groups, 'group', mask),
  );
}

function matches(page, token) {
  const text = page.text.trim().toLowerCase();
  const fits = [token.idToken, groupOf(token), token.personalMessage ?? ''].some((one) => one.toLowerCase().includes(text));
  return fits && (!page.status || token.status === page.status) && (!page.group || groupOf(token) === page.group);
}

function draw(page) {
  const found = page.all.filter((one) => matches(page, one));
  page.count.textContent = t('tokens.count', { n: page.all.length, groups: new Set(page.all.map(groupOf).filter(Boolean)).size });
  if (page.all.length === 0) fill(page.body, empty(page));
  else if (found.length === 0) fill(page.body, noHit(page));
  else fill(page.body, table(page, found.slice(0, page.shown)), more(page, found.length));
}

function more(page, all) {
  if (all <= page.shown) return '';
  return h(
    'p',
    { class: 'pad' },
    h(
      'button',
      {
        class: 'btn',
        type: 'button',
        on: {
          click: () => {
            page.shown += SHOWN;
            draw(page);
          },
        },
      },
      t('tokens.more', { n: number(Math.min(SHOWN, all - page.shown)), all: number(all) }),
    ),
  );
}

function table(page, found) {
  const columns = ['token', 'status', 'group', 'expiry', 'message'].map((key) => h('th', { scope: 'col' }, t(`tokens.column.${key}`)));
  return h(
    'div',
    { class: 'panel' },
    h(
      'table',
      { class: 'list fold tokens' },
      h('thead', null, h('tr', null, columns, h('th', { scope: 'col' }, h('span', { class: 'sr' }, t('tokens.column.acts'))))),
      h(
        'tbody',
        null,
        found.map((one) => line(page, one)),
      ),
    ),
  );
}

function line(page, token) {
  const [shape, tone] = TONES[token.status] ?? ['offline', 't-over'];
  const name = t('tokens.named', { token: mask(token.idToken), type: token.type });
  const past = token.cacheExpiryDateTime && Date.parse(token.cacheExpiryDateTime) < now();
  const acts = canOperate()
    ? h(
        'div',
        { class: 'acts' },
        h(
          'button',
          { class: 'btn slim', type: 'button', aria: { label: t('tokens.editNamed', { name }) }, on: { click: () => edit(page, token) } },
          t('tokens.edit'),
        ),
        h(
          'button',
          { class: 'btn slim stop', type: 'button', aria: { label: t('tokens.removeNamed', { name }) }, on: { click: () => remove(page, token) } },
          t('tokens.remove'),
        ),
      )
    : null;
  return h(
    'tr',
    { class: 'row' },
    h('td', { class: 'c-token' }, h('code', null, mask(token.idToken)), ' ', h('span', { class: 'soft small' }, token.type)),
    h('td', { class: 'c-status' }, h('span', { class: `s ${tone}` }, icon(shape), token.status)),
    h(
      'td',
      { class: 'c-group' },
      token.groupIdToken
        ? [
            h('span', { class: 'fold-only soft' }, t('tokens.column.group'), ' '),
            h('code', null, mask(groupOf(token))),
            ' ',
            h('span', { class: 'soft small' }, token.groupIdToken.type),
          ]
        : null,
    ),
    h(
      'td',
      { class: 'c-expiry' },
      token.cacheExpiryDateTime
        ? [
            h('span', { class: 'fold-only soft' }, t('tokens.column.expiry'), ' '),
            h('time', { datetime: token.cacheExpiryDateTime }, dateTime(token.cacheExpiryDateTime)),
            past ? h('span', { class: 'soft small' }, ' ', t('tokens.past')) : null,
          ]
        : null,
    ),
    h('td', { class: 'c-message soft' }, token.personalMessage),
    h('td', { class: 'c-act' }, acts),
  );
}

function edit(page, token) {
  const saved = (stored) => {
    page.all = [stored, ...page.all.filter((one) => !same(one, stored))];
    drawFilters(page);
    draw(page);
  };
  editToken(token, { all: page.all, saved, signal: page.signal });
}

async function remove(page, token) {
  const name = t('tokens.named', { token: mask(token.idToken), type: token.type });
  const sure = await confirmDialog({ head: t('tokens.sure', { name }), text: t('tokens.sureMore'), yes: t('tokens.yesRemove'), no: t('tokens.noKeep') });
  if (!sure) return;
  try {
    await del(pathOf(token));
    toast(t('tokens.removed', { name }), t('tokens.removedMore'), { tone: 'over' });
  } catch (error) {
    if (error.type !== 'token-unknown') {
      toast(t('tokens.failed'), error.detail || error.message, { tone: 'fault' });
      return;
    }
  }
  page.all = page.all.filter((one) => !same(one, token));
  drawFilters(page);
  draw(page);
}

function empty(page) {
  return h(
    'section',
    { class: 'panel empty' },
    h('h2', null, t('tokens.empty')),
    h('p', null, t('tokens.emptyMore')),
    h('pre', { tabindex: '0' }, h('code', null, 'evhold token add AABBCCDD:ISO14443')),
    canOperate() ? h('button', { class: 'btn', type: 'button', on: { click: () => edit(page, null) } }, icon('plus'), t('tokens.add')) : null,
  );
}

function noHit(page) {
  const all = () => {
    Object.assign(page, { text: '', status: '', group: '' });
    drawFilters(page);
    draw(page);
  };
  return h(
    'section',
    { class: 'panel empty' },
    h('h2', null, t('tokens.noHit')),
    h('p', null, t('tokens.noHitMore')),
    h('button', { class: 'btn', type: 'button', on: { click: all } }, t('words.showAll')),
  );
}

function failure(error, again) {
  return h(
    'section',
    { class: 'panel empty' },
    h('h2', null, t('tokens.notLoaded')),
    h('p', null, error.detail || error.message),
    h('button', { class: 'btn', type: 'button', on: { click: again } }, icon('refresh'), t('words.again')),
  );
}

function bones() {
  return h(
    'div',
    { class: 'panel pad stack', aria: { busy: 'true' } },
    [1, 2, 3, 4].map(() => [h('span', { class: 'bone b' }), h('span', { class: 'bone c' })]),
  );
}
