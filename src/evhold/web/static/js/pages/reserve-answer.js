// What became of an order: what happened, what it means, what to do next.
import { ApiError, post, put } from '../api.js';
import { everySecond, now } from '../clock.js';
import { fill, h, say, svg } from '../dom.js';
import { freeEvses, typesOf } from '../evse.js';
import { connectorName, duration, mask, relative, time, when } from '../format.js';
import { icon } from '../icons.js';
import * as store from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { order, placeText, showForm } from './reserve.js';

const SHOWN = 4;
const PATIENCE_S = 30;

/** What an answer says, as data: {tone, shape, head, text, kind, held?, errors?, reservation?}. */
export function answerOf(request, { reservation, error, took }) {
  if (error) return problem(request, error);
  const place = placeText(request.wish);
  if (reservation.status === 'Used') return { kind: 'used', tone: 'used', shape: 'used', head: t('reserve.used'), text: t('reserve.usedText', { place }), reservation, link: reservation.driverLink };
  if (reservation.status === 'Unconfirmed') return { kind: 'unconfirmed', tone: 'doubt', shape: 'unconfirmed', head: t('reserve.silent', { station: reservation.stationId, span: duration(took) }), text: t('reserve.silentText', { place }), reservation, alts: true };
  if (reservation.status === 'Pending') return { kind: 'pending', tone: 'held', shape: 'pending', head: t('reserve.stillAsking', { station: reservation.stationId }), text: t('reserve.stillAskingText'), reservation, link: reservation.driverLink };
  if (!store.isLive(reservation)) return { kind: 'over', tone: 'over', shape: reservation.status.toLowerCase(), head: t('reserve.over', { status: t(`words.${reservation.status}`) }), text: t('reserve.overText', { place }), reservation };
  return { kind: 'accepted', held: true, tone: 'held', shape: 'held', head: t('reserve.accepted', { time: when(reservation.expiryDateTime) }), text: t('reserve.acceptedText', { place, span: duration(took) }), reservation, link: reservation.driverLink };
}

function problem(request, error) {
  const { body } = request;
  const station = store.stations.get(body.stationId);
  const values = { station: body.stationId, place: placeText(request.wish), detail: error.detail, cause: error.body.reservation?.cause ?? error.detail };
  const made = (kind, tone, shape, more = {}) => ({ kind, tone, shape, head: t(`reserve.${kind}`, values), text: t(`reserve.${kind}Text`, values), error, reservation: error.body.reservation, ...more });
  switch (error.type) {
    case 'reservation-refused':
      return refused(request, error, values);
    case 'evse-already-reserved':
      return made('taken', 'held', 'held', { alts: true, holder: holderOf(body) });
    case 'station-offline':
      values.seen = station?.lastSeen ? t('reserve.lastSeen', { time: when(station.lastSeen), ago: relative(station.lastSeen) }) : t('reserve.neverSeen');
      return made('offline', 'over', 'offline', { alts: true });
    case 'station-busy':
      return made('busy', 'doubt', 'pending', { again: true });
    case 'station-silent':
      return made('failed', 'doubt', 'failed', { again: true, alts: true });
    case 'reservations-not-supported':
      return made(String(error.body.variable).endsWith('Enabled') ? 'switchedOff' : 'notSupported', 'doubt', 'unavailable', { variable: error.body.variable, force: true, alts: true });
    case 'unspecified-evse-not-supported':
      return made('namedOnly', 'doubt', 'unavailable', { variable: error.body.variable, force: true });
    case 'token-not-accepted':
      return made('token', 'fault', 'refused', { force: true, head: t('reserve.token_', { token: mask(body.idToken), status: error.body.tokenStatus }), text: t(error.body.tokenStatus === 'Unknown' ? 'reserve.tokenUnknown' : 'reserve.tokenText', { status: error.body.tokenStatus }) });
    case 'invalid-request':
      return { ...made('invalid', 'fault', 'refused'), errors: (error.body.errors ?? []).map((one) => t('reserve.fieldWrong', one)).concat(error.body.errors?.length ? [] : [error.message]) };
    case 'unreachable':
      return made('unreachable', 'doubt', 'offline', { same: true });
    case 'request-in-progress':
      return made('inProgress', 'doubt', 'pending', { same: true });
    default:
      return made('problem', 'fault', 'failed', { head: error.title || t('reserve.problem'), text: `${error.detail} ${t(error.status >= 500 ? 'reserve.maybeHeld' : 'reserve.nothingHeld')}`, same: error.status >= 500 });
  }
}

function refused(request, error, values) {
  const status = error.body.ocppStatus;
  const info = error.body.statusInfo;
  const own = info ? t('reserve.ownWords', { words: [info.reasonCode, info.additionalInfo].filter(Boolean).join(': ') }) : '';
  const text = status ? t(`reserve.said${status}`, values) : t('reserve.saidError', values);
  const shape = { Occupied: 'occupied', Faulted: 'faulted', Unavailable: 'unavailable' }[status] ?? 'refused';
  return { kind: 'refused', tone: status === 'Faulted' ? 'fault' : 'used', shape, head: status ? t('reserve.said', { status }) : t('reserve.couldNot', values), text: [text, own].filter(Boolean).join(' '), alts: true, error, reservation: error.body.reservation };
}

function holderOf({ stationId, evseId }) {
  return store.holdsOf(stationId).find((one) => one.evseId === evseId);
}

/** Shows that the station is being asked, and for how long. */
export function showAsking(known, request, signal) {
  const from = now();
  const bar = svg('rect', { class: 'fill', width: 0, height: 4 });
  const counted = h('span', { class: 'small soft num' });
  const progress = h('progress', { class: 'sr', max: PATIENCE_S, aria: { label: t('reserve.waiting') } });
  const tick = (at) => {
    const s = Math.max(0, Math.round((at - from) / 1000));
    bar.setAttribute('width', Math.min(100, (100 * s) / PATIENCE_S).toFixed(0));
    progress.value = Math.min(s, PATIENCE_S);
    say(counted, t('words.seconds', { n: s }));
  };
  tick(from);
  known.announce(t('reserve.asking', { station: request.body.stationId }));
  everySecond(tick, { signal });
  fill(known.body,
    h('div', { class: 'dlg-body' },
      says({ tone: 'held', shape: 'pending', head: t('reserve.asking', { station: request.body.stationId }), text: t('reserve.askingText', { time: time(from, { seconds: true }) }) }),
      progress, h('div', { class: 't-held', aria: { hidden: 'true' } }, svg('svg', { class: 'meter', viewBox: '0 0 100 4', preserveAspectRatio: 'none' }, svg('rect', { class: 'rail', width: 100, height: 4 }), bar))),
    h('div', { class: 'dlg-foot' }, counted, closeButton(known)));
  known.body.querySelector('.dlg-foot .btn').focus();
}

function says({ tone, shape, head, text }) {
  return h('div', { class: `answer t-${tone}` }, h('span', { class: 'badge' }, icon(shape, { class: 'i-l' })), h('h3', null, head), h('p', null, text));
}

function closeButton(known, word = t('words.close'), main = false) {
  return h('button', { class: `btn push${main ? ' main' : ''}`, type: 'button', on: { click: () => known.el.close() } }, word);
}

/** Shows the answer in place of the form. A reservation that changes while it is shown is shown anew. */
export function showAnswer(known, request, answer) {
  const { body } = known;
  const alts = answer.alts ? freeEvses({ station: store.stations.get(request.body.stationId), evseId: request.body.evseId, types: typesWanted(request) }).slice(0, SHOWN) : [];
  known.announce(`${answer.head}. ${answer.text}`);
  fill(body,
    h('div', { class: 'dlg-body' }, says(answer), boxOf(known, request, answer), answer.alts ? altsOf(known, request, alts) : null),
    h('div', { class: 'dlg-foot' }, buttons(known, request, answer)));
  const first = body.querySelector('.dlg-foot .btn.main') ?? body.querySelector('.dlg-foot .push');
  first.focus();
  if (answer.reservation && ['unconfirmed', 'pending', 'accepted'].includes(answer.kind)) follow(known, request, answer);
}

function follow(known, request, answer) {
  const own = new AbortController();
  known.signal.addEventListener('abort', () => own.abort(), { once: true });
  const from = Date.parse(answer.reservation.createdAt);
  store.on(`reservation:${answer.reservation.id}`, () => {
    const reservation = store.reservations.get(answer.reservation.id);
    if (!reservation || reservation.status === answer.reservation.status) return;
    own.abort();
    if (!known.closed && body_shows(known, answer)) showAnswer(known, request, { ...answerOf(request, { reservation, took: Date.parse(reservation.updatedAt) - from }), link: answer.link });
  }, { signal: own.signal });
  known.shown = answer;
}

const body_shows = (known, answer) => known.shown === answer && known.body.querySelector('.answer') !== null;

function typesWanted({ body }) {
  if (body.connectorType) return [body.connectorType];
  const evse = store.stations.get(body.stationId)?.evses.find((one) => one.id === body.evseId);
  return evse ? typesOf(evse) : [];
}

function boxOf(known, request, answer) {
  const { reservation, variable, holder } = answer;
  const rows = [];
  const add = (name, value) => rows.push(h('dt', null, t(`reserve.${name}`)), h('dd', null, value));
  if (variable) add('variable', h('code', null, `${variable} = false`));
  if (variable && store.canOperate()) add('read', h('button', { class: 'btn slim', type: 'button', on: { click: (event) => readAgain(event.currentTarget, known, request) } }, icon('refresh'), t('reserve.readAgain')));
  if (holder) add('heldBy', [h('a', { href: `/reservations/${holder.id}` }, t('reserve.reservationNo', { id: holder.id })), ', ', mask(holder.idToken), ', ', t('reserve.untilTime', { time: when(holder.expiryDateTime) })]);
  if (reservation && answer.kind !== 'refused') {
    add('reservation', h('a', { href: `/reservations/${reservation.id}` }, String(reservation.id)));
    if (answer.held) {
      add('tokenRow', [h('code', null, mask(reservation.idToken)), reservation.groupIdToken ? [' ', t('reserve.orGroup'), ' ', h('code', null, mask(reservation.groupIdToken))] : '']);
      if (reservation.usedEvseId && !reservation.evseId) add('place', t('words.evse', { id: reservation.usedEvseId }));
    }
  }
  if (answer.link) add('driverLink', h('code', { class: 'link-text' }, answer.link));
  return rows.length ? h('div', { class: 'box' }, h('dl', { class: 'kv' }, rows)) : null;
}

async function readAgain(button, known, request) {
  button.disabled = true;
  try {
    const station = await post(`/stations/${encodeURIComponent(request.body.stationId)}/capabilities`);
    if (station?.id) store.put('station', station);
    order(known);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    button.disabled = false;
    toast(t('reserve.readFailed'), error.message, { tone: 'doubt' });
  }
}

function altsOf(known, request, alts) {
  if (!alts.length) return h('p', { class: 'small soft' }, t('reserve.noAlts'));
  const take = ({ station, evse }) => () => {
    Object.assign(known.wish, { stationId: station.id, scope: `evse:${evse.id}` });
    order(known);
  };
  return h('div', { class: 'stack-s' }, h('p', { class: 'small soft' }, t('reserve.alts')), h('ul', { class: 'alts' }, alts.map((one) => {
    const name = `${one.station.id} · ${t('words.evse', { id: one.evse.id })}`;
    return h('li', null,
      h('span', null, h('b', null, name), ' ', h('small', null, [...typesOf(one.evse).map(connectorName), one.near ? null : one.station.location?.name].filter(Boolean).join(', '))),
      h('span', { class: 's t-free' }, icon('free'), t('words.Available')),
      h('button', { class: 'btn hold slim', type: 'button', aria: { label: t('reserve.reserveThis', { name }) }, on: { click: take(one) } }, t('reserve.head')));
  })));
}

function buttons(known, request, answer) {
  const button = (key, fn, more = '') => h('button', { class: `btn ${more}`, type: 'button', on: { click: fn } }, t(`reserve.${key}`));
  const change = button('change', () => showForm(known));
  const close = closeButton(known);
  const force = answer.force && store.canOperate() ? button('force', () => order(known, { force: true })) : null;
  switch (answer.kind) {
    case 'accepted':
    case 'used':
      return [answer.link ? copyButton(answer.link) : null, closeButton(known, t('reserve.done'), true)];
    case 'unconfirmed':
    case 'pending':
      return [h('a', { class: 'btn', href: `/reservations/${answer.reservation.id}` }, t('reserve.follow')), answer.link && answer.kind === 'pending' ? copyButton(answer.link) : null, close];
    case 'switchedOff':
      return store.canOperate() ? [force, change, button('switchOn', (event) => switchOn(event.currentTarget, known, request), 'main push')] : [change, close];
    default:
      if (answer.same) return [close, button('again', () => order(known, { again: request }), 'main')];
      if (answer.again) return [change, close, button('again', () => order(known), 'main')];
      return [change, force, close];
  }
}

function copyButton(text) {
  const el = h('button', { class: 'btn', type: 'button', on: { click: copy } }, icon('copy'), h('span', null, t('reserve.copyLink')));
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
      say(el.lastChild, t('words.copied'));
      setTimeout(() => say(el.lastChild, t('reserve.copyLink')), 2000);
    } catch {
      // The clipboard is for secure contexts: what is selected can be copied by hand.
      const code = el.closest('dialog')?.querySelector('.link-text');
      if (code) getSelection().selectAllChildren(code);
      toast(t('reserve.copyByHand'), '', { tone: 'doubt' });
    }
  }
  return el;
}

async function switchOn(button, known, request) {
  button.disabled = true;
  say(button, t('reserve.switching'));
  try {
    const station = await put(`/stations/${encodeURIComponent(request.body.stationId)}/capabilities`, { enabled: true });
    if (station?.id) store.put('station', station);
    order(known);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    button.disabled = false;
    say(button, t('reserve.switchOn'));
    toast(t('reserve.switchFailed'), error.message, { tone: 'fault' });
  }
}

