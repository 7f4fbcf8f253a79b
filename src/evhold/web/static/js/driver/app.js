// The driver's page: one reservation, how long it lasts, where it is, longer or not at all.
import { everySecond, now } from '../clock.js';
import { confirmDialog } from '../dialog.js';
import { fill, h, say } from '../dom.js';
import { connectorName, dateTime, time, when } from '../format.js';
import { icon } from '../icons.js';
import { t } from '../text.js';
import { themeButton } from '../theme-button.js';
import { cancel, extend, follow, tryNow, view } from './link.js';
import { ring } from './ring.js';
import { standing } from './words.js';

const LONGER_MIN = [10, 15, 30];
const PATIENCE_MS = 1500;

const main = document.querySelector('main');
const state = h('span', { class: 's' });
const until = h('span', { class: 'soft' });
const dial = ring(state, until);
const sentence = h('p', { class: 'plainly' });
const hint = h('p', { class: 'soft hint' });
const place = h('div', { class: 'place' });
const ticket = h('section', { class: 'panel ticket' }, h('h1', { class: 'sr' }), dial.el, h('div', { class: 'told', role: 'status' }, sentence, hint), place);
const outcome = h('p', { class: 'outcome', role: 'status', hidden: true });
const longer = LONGER_MIN.map((minutes) =>
  h('button', { class: 'btn hold', type: 'button', on: { click: () => ask(minutes) } }, t('driver.extend', { n: minutes })),
);
const why = h('p', { class: 'soft small', hidden: true });
const away = h('button', { class: 'btn stop wide', type: 'button', on: { click: giveBack } }, t('driver.giveBack'));
const moreHead = h('h2', { id: 'more-h' }, t('driver.needMore'));
const more = h('section', { class: 'panel pad stack', aria: { labelledby: 'more-h' } }, moreHead, h('div', { class: 'longer' }, longer), why, outcome, away);
const footer = h('p', { class: 'note quiet' });
const lostText = h('p');
const lost = h(
  'div',
  { class: 'banner t-doubt', role: 'status', hidden: true },
  icon('offline'),
  lostText,
  h('span', { class: 'acts' }, h('button', { class: 'btn', type: 'button', on: { click: tryNow } }, t('driver.tryNow'))),
);
const page = h('div', { class: 'driver' }, lost, ticket, more, footer);
let busy = false;

function show(content) {
  fill(main, h('div', { class: 'driver-page' }, content));
}

function draw() {
  if (view.dead) return dead();
  drawLost();
  if (!view.reservation) return;
  if (!page.isConnected) show(page);
  const now_ = standing(view);
  drawState(now_);
  drawPlace();
  drawOrders(now_);
  tick();
}

function drawState({ icon: shape, tone, head, text, more: further, runs }) {
  const r = view.reservation;
  const key = JSON.stringify([shape, tone, head, text, further, runs, r.expiryDateTime]);
  if (ticket.dataset.key === key) return;
  ticket.dataset.key = key;
  ticket.className = `panel ticket t-${tone}`;
  say(ticket.querySelector('h1'), t('driver.heading', { place: view.station.location?.name ?? view.station.id }));
  state.className = `s t-${tone}`;
  fill(state, icon(shape), h('span', null, head));
  say(until, runs ? t('driver.until', { at: when(r.expiryDateTime) }) : '');
  until.hidden = !runs;
  say(sentence, text);
  say(hint, further);
  hint.hidden = !further;
  document.title = `${head} · ${view.station.id} · evhold`;
}

function drawPlace() {
  const { reservation: r, station } = view;
  const evse = r.usedEvseId ?? r.evseId;
  const key = JSON.stringify([station, evse, r.connectorType]);
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  const types = [
    ...new Set(
      station.evses
        .filter((one) => one.id === evse)
        .flatMap((one) => one.connectors.map((at) => at.type))
        .filter(Boolean),
    ),
  ].map(connectorName);
  const plug = evse ? types.join(', ') : r.connectorType ? t('driver.anyOf', { type: connectorName(r.connectorType) }) : t('driver.anyEvse');
  fill(
    place,
    h('span', { class: 'bay', aria: { hidden: 'true' } }, h('small', null, t('driver.evse')), h('b', null, evse ? String(evse) : t('driver.any'))),
    h(
      'div',
      null,
      h('b', { class: 'where' }, t('driver.station', { id: station.id })),
      evse ? h('span', { class: 'sr' }, `, ${t('words.evse', { id: evse })}`) : null,
      [plug, station.location?.name].filter(Boolean).map((one) => h('span', { class: 'soft small line' }, one)),
    ),
    directions(station.location),
  );
}

function directions(location) {
  if (location?.latitude == null || location?.longitude == null) return null;
  const at = `${location.latitude},${location.longitude}`;
  const href = /Android/.test(navigator.userAgent)
    ? `geo:${at}?q=${at}(${encodeURIComponent(location.name)})`
    : `https://www.openstreetmap.org/directions?to=${encodeURIComponent(at)}`;
  return h('a', { class: 'btn', href, rel: 'noreferrer noopener', target: '_blank' }, icon('pin'), t('driver.directions'));
}

// --- orders

function drawOrders({ open, runs, stale }) {
  const { reservation: r, station } = view;
  more.hidden = !open;
  const reason = stale ? 'lost' : !station.online ? 'offline' : r.replacement ? 'answer' : !runs ? 'notNow' : '';
  for (const button of longer) button.disabled = busy || reason !== '';
  say(why, reason && !busy ? t(`driver.notLonger.${reason}`) : '');
  why.hidden = why.textContent === '';
  away.disabled = busy || r.cancelRequestedAt !== null;
  say(
    footer,
    [
      t('driver.number', { id: r.id }),
      t('driver.zone', { zone: zone() }),
      view.diesAt ? t('driver.dies', { at: dateTime(view.diesAt) }) : t('driver.diesLater'),
    ].join(' '),
  );
}

function zone() {
  return new Intl.DateTimeFormat(undefined, { timeZoneName: 'short' }).formatToParts(now()).find((one) => one.type === 'timeZoneName')?.value ?? 'UTC';
}

function ask(minutes) {
  return order(
    () => extend(minutes),
    (r) => (r.replacement ? ['', ''] : [t('driver.extended', { at: time(r.expiryDateTime) }), 't-held']),
    t('driver.askingLonger', { n: minutes }),
  );
}

async function giveBack() {
  if (!(await confirmDialog({ head: t('driver.sure'), text: t('driver.sureMore'), yes: t('driver.yesGive'), no: t('driver.noKeep') }))) return;
  await order(cancel, () => ['', ''], t('driver.askingBack'));
}

async function order(work, words, waiting) {
  if (busy) return;
  busy = true;
  tell(waiting, '');
  draw();
  try {
    const [text, tone] = words(await work());
    tell(text, tone);
  } catch (error) {
    if (error.status === undefined) throw error;
    const known = t(`driver.orders.${error.type}`, { until: when(view.reservation.expiryDateTime), status: error.body?.ocppStatus ?? '' });
    tell(known.startsWith('driver.orders.') ? t('driver.orders.other', { detail: error.detail || error.title }) : known, 't-fault');
  } finally {
    busy = false;
    draw();
  }
}

function tell(text, tone) {
  outcome.className = `outcome ${tone}`;
  say(outcome, text);
  outcome.hidden = text === '';
}

// --- what is wrong with the link or the line

function dead() {
  const key = view.dead === 'link-expired' ? 'gone' : 'unknown';
  document.title = `${t(`driver.${key}.head`)} · evhold`;
  const told = h(
    'section',
    { class: 'panel empty dead', role: 'alert' },
    icon(key === 'gone' ? 'expired' : 'unknown'),
    h('h1', null, t(`driver.${key}.head`)),
    h('p', null, t(`driver.${key}.text`)),
  );
  show(h('div', { class: 'driver' }, told));
}

function drawLost() {
  if (!view.lost) return void (lost.hidden = true);
  if (!view.reservation) {
    show(page);
    for (const part of [ticket, more, footer]) part.hidden = true;
    lost.hidden = false;
    return say(lostText, t('driver.cannotReach'));
  }
  for (const part of [ticket, footer]) part.hidden = false;
  lost.hidden = now() - view.lost.since < PATIENCE_MS;
  say(lostText, t('driver.lost', { at: time(view.lost.since, { seconds: true }) }));
}

function tick() {
  if (view.dead || !view.reservation) return;
  const r = view.reservation;
  const at = now();
  if (view.lost) drawLost();
  else for (const part of [ticket, footer]) part.hidden = false;
  const now_ = standing(view);
  drawState(now_);
  dial.show(now_.runs ? { from: Date.parse(r.createdAt), to: Date.parse(r.expiryDateTime), at } : null);
}

document.querySelector('.bar-end').append(themeButton());
const bones = h(
  'section',
  { class: 'panel ticket', aria: { busy: 'true' } },
  h('span', { class: 'sr' }, t('driver.loading')),
  h('div', { class: 'ring bone-ring' }),
  h('span', { class: 'bone b' }),
  h('div', { class: 'place' }, h('span', { class: 'bone a' })),
);
show(h('div', { class: 'driver' }, bones));
everySecond(tick);
follow(draw);
