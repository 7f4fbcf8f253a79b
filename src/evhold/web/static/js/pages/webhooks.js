// Webhooks: who is told events by HTTP, what waits for them, and what they did not take.
import { del, list, post } from '../api.js';
import { everySecond, now } from '../clock.js';
import { confirmDialog } from '../dialog.js';
import { fill, h, keyed } from '../dom.js';
import { mask, number, time, when } from '../format.js';
import { icon } from '../icons.js';
import { canOperate, session } from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { showDeliveries } from './webhook-deliveries.js';
import { addWebhook, showSecret } from './webhook-form.js';

const EVERY_S = 5;

/** The page's name. */
export function title() {
  return t('webhooks.title');
}

/** The page is drawn in `root`. */
export async function show(root, params, { signal }) {
  if (!canOperate()) {
    const words = h('p', null, t('webhooks.notYoursMore', { role: session?.role }));
    root.append(h('div', { class: 'head' }, h('h1', null, t('webhooks.title'))), h('section', { class: 'panel empty' }, h('h2', null, t('webhooks.notYours')), words));
    return;
  }
  const page = { all: [], signal, rows: h('tbody'), body: h('div'), count: h('p', { class: 'soft' }), outcomes: new Map(), table: null, asked: 0 };
  const add = h('button', { class: 'btn', type: 'button', on: { click: () => addTo(page) } }, icon('plus'), t('webhooks.add'));
  root.append(h('div', { class: 'head' }, h('h1', null, t('webhooks.title')), page.count, h('div', { class: 'acts' }, add)), page.body);
  page.body.append(bones());
  await load(page);
  let left = EVERY_S;
  everySecond(() => {
    left -= 1;
    if (left > 0) return;
    left = EVERY_S;
    if (page.table || page.all.length) refresh(page).catch(() => {});
  }, { signal });
}

async function load(page) {
  try {
    await refresh(page);
  } catch (error) {
    if (page.signal.aborted) return;
    page.table = null;
    fill(page.body, failure(error, () => load(page)));
  }
}

async function refresh(page) {
  const asked = (page.asked += 1);
  const all = await list('/webhooks', { signal: page.signal });
  // Of two answers the one that was asked for last counts.
  if (page.signal.aborted || asked !== page.asked) return;
  page.all = all;
  draw(page);
}

function draw(page) {
  page.count.textContent = t('webhooks.count', { n: page.all.length, dead: page.all.reduce((sum, one) => sum + one.dead, 0) });
  if (page.all.length === 0) {
    if (page.table !== 'empty') fill(page.body, empty(page));
    page.table = 'empty';
  } else if (page.table !== 'full') {
    fill(page.body, table(page));
    page.table = 'full';
  }
  keyed(page.rows, page.all, (one) => one.id, (one) => line(page, one), (row, one) => update(page, row, one));
}

function table(page) {
  const columns = ['url', 'events', 'only', 'state', 'letters'].map((key) => h('th', { scope: 'col' }, t(`webhooks.column.${key}`)));
  const head = h('thead', null, h('tr', null, columns, h('th', { scope: 'col' }, h('span', { class: 'sr' }, t('webhooks.column.acts')))));
  return h('div', { class: 'panel' }, h('table', { class: 'list fold webhooks' }, head, page.rows));
}

function line(page, hook) {
  const { url } = hook;
  const act = (key, fn, more = '') =>
    h('button', { class: `btn slim ${more}`, type: 'button', aria: { label: t(`webhooks.${key}Of`, { url }) }, on: { click: (event) => fn(page, hook, event.currentTarget) } }, t(`webhooks.${key}`));
  return h('tr', { class: 'row' },
    h('td', { class: 'c-url' }, h('code', null, url), h('p', { class: 'outcome small' })),
    h('td', { class: 'c-events' }, hook.events.map((one) => [h('code', null, one), one === '*' ? h('span', { class: 'soft small' }, t('webhooks.everything')) : ' '])),
    h('td', { class: 'c-only' }, only(hook).map((words) => h('div', null, words))),
    h('td', { class: 'c-state' }),
    h('td', { class: 'c-letters' }),
    h('td', { class: 'c-act' }, h('div', { class: 'acts' }, act('deliveries', deliveries), act('test', test), act('rotate', rotate), act('remove', remove, 'stop'))));
}

// Only what changes is drawn anew: the buttons keep the focus.
function update(page, row, hook) {
  const seen = JSON.stringify([hook, page.outcomes.get(hook.id)]);
  if (row.dataset.seen === seen) return;
  row.dataset.seen = seen;
  const off = hook.disabledAt;
  fill(row.querySelector('.c-state'),
    off ? h('span', { class: 's t-fault' }, icon('refused'), t('webhooks.off')) : h('span', { class: 's t-free' }, icon('free'), t('webhooks.on')),
    off ? h('p', { class: 'soft small' }, t('webhooks.offSince', { at: when(off) })) : null,
    hook.oldSecretUntil && Date.parse(hook.oldSecretUntil) > now() ? h('p', { class: 'soft small' }, t('webhooks.oldSecret', { at: when(hook.oldSecretUntil) })) : null);
  const words = t('webhooks.letters', { pending: number(hook.pending), dead: number(hook.dead) });
  fill(row.querySelector('.c-letters'), hook.dead ? h('span', { class: 's t-fault' }, icon('faulted'), words) : h('span', { class: 'soft' }, words));
  const outcome = page.outcomes.get(hook.id);
  const told = row.querySelector('.outcome');
  told.className = `outcome small ${outcome ? `t-${outcome.tone}` : ''}`;
  fill(told, outcome ? [icon(outcome.shape), h('span', null, outcome.words)] : null);
}

function only(hook) {
  return [
    hook.stationId ? t('webhooks.onlyStation', { station: hook.stationId }) : null,
    hook.idToken ? t('webhooks.onlyToken', { token: mask(hook.idToken), type: hook.idToken.type }) : null,
  ].filter(Boolean);
}

function addTo(page) {
  addWebhook({ signal: page.signal, saved: () => load(page) });
}

async function deliveries(page, hook) {
  await showDeliveries(hook, { signal: page.signal });
  if (!page.signal.aborted) load(page);
}

async function test(page, hook, button) {
  if (button.getAttribute('aria-disabled')) return;
  button.setAttribute('aria-disabled', 'true');
  told(page, hook, { tone: 'used', shape: 'pending', words: t('webhooks.testing') });
  try {
    const { delivered, status, error } = await post(`/webhooks/${hook.id}/test`);
    const at = time(now(), { seconds: true });
    const why = [error, status && !error?.includes(status) ? t('webhooks.answered', { status }) : null].filter(Boolean).join('; ') || t('webhooks.noAnswer');
    if (delivered) {
      told(page, hook, { tone: 'free', shape: 'used', words: t('webhooks.testGood', { status, at }) });
      toast(t('webhooks.tested'), t('webhooks.testedMore', { url: hook.url, status }), { tone: 'free' });
    } else {
      told(page, hook, { tone: 'fault', shape: 'faulted', words: t('webhooks.testBad', { at, why }) });
      toast(t('webhooks.notTested'), why, { tone: 'fault' });
    }
    await load(page);
  } catch (error) {
    told(page, hook, null);
    failed(page, error);
  } finally {
    button.removeAttribute('aria-disabled');
  }
}

function told(page, hook, outcome) {
  if (outcome) page.outcomes.set(hook.id, outcome);
  else page.outcomes.delete(hook.id);
  if (!page.signal.aborted) draw(page);
}

async function rotate(page, hook) {
  const { url } = hook;
  const sure = await confirmDialog({ head: t('webhooks.rotateSure'), text: t('webhooks.rotateSureMore', { url }), yes: t('webhooks.rotateYes'), no: t('webhooks.rotateNo'), danger: false });
  if (!sure) return;
  try {
    const changed = await post(`/webhooks/${hook.id}/secret`);
    showSecret(changed, { signal: page.signal });
    await load(page);
  } catch (error) {
    failed(page, error);
  }
}

async function remove(page, hook) {
  const sure = await confirmDialog({ head: t('webhooks.sure'), text: t('webhooks.sureMore', { url: hook.url }), yes: t('webhooks.yesRemove'), no: t('webhooks.noKeep') });
  if (!sure) return;
  try {
    await del(`/webhooks/${hook.id}`);
    toast(t('webhooks.removed'), hook.url, { tone: 'over' });
    await load(page);
  } catch (error) {
    failed(page, error);
  }
}

function failed(page, error) {
  if (page.signal.aborted) return;
  toast(t('webhooks.failed'), error.detail || error.message, { tone: 'fault' });
  if (error.type === 'webhook-unknown') load(page);
}

function empty(page) {
  return h('section', { class: 'panel empty' },
    h('h2', null, t('webhooks.empty')),
    h('p', null, t('webhooks.emptyMore')),
    h('pre', { tabindex: '0' }, h('code', null, 'evhold webhook add https://app.example/hooks')),
    h('button', { class: 'btn', type: 'button', on: { click: () => addTo(page) } }, icon('plus'), t('webhooks.add')));
}

function failure(error, again) {
  return h('section', { class: 'panel empty' },
    h('h2', null, t('webhooks.notLoaded')),
    h('p', null, error.detail || error.message),
    h('button', { class: 'btn', type: 'button', on: { click: again } }, icon('refresh'), t('words.again')));
}

function bones() {
  return h('div', { class: 'panel pad stack', aria: { busy: 'true' } }, [1, 2, 3].map(() => [h('span', { class: 'bone b' }), h('span', { class: 'bone c' })]));
}
