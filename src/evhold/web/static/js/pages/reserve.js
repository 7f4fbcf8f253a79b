// The reserve dialog: what to hold, for whom, how long; then what the station said.
import { ApiError, get, post } from '../api.js';
import { everySecond, now } from '../clock.js';
import { dialog, openDialog } from '../dialog.js';
import { fill, h, say } from '../dom.js';
import { byId, faceOf, isFree, placeOf, typesOf } from '../evse.js';
import { connectorName, mask, time, when } from '../format.js';
import { icon } from '../icons.js';
import * as store from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { answerOf, showAnswer, showAsking } from './reserve-answer.js';

const KINDS = ['ISO14443', 'ISO15693', 'eMAID', 'Central', 'KeyCode', 'Local', 'MacAddress', 'NoAuthorization'];
const MINUTES = [15, 30, 60, 120];
const TOKENS = 500;

/** Opens the dialog; a place may be chosen already. */
export async function openReserve(place = {}) {
  if (!store.loaded) await read();
  const own = new AbortController();
  const { signal } = own;
  const heading = h('span');
  const body = h('div', { class: 'reserve' });
  // Screen readers are told by a region that stays: one that comes with its words is often not read.
  const status = h('p', { class: 'sr', role: 'status' });
  const el = dialog({ head: heading, body });
  el.append(status);
  const known = { wish: wishFor(place), el, body, signal, asking: null, tokens: [], announce: (text) => say(status, text) };
  known.title = (stationId) => say(heading, stationId ? t('reserve.headAt', { station: stationId }) : t('reserve.head'));
  showForm(known);
  if (store.canOperate()) get(`/tokens?limit=${TOKENS}`, { signal }).then((tokens) => ((known.tokens = tokens), known.hint?.()), () => {});
  await openDialog(el);
  known.closed = true;
  if (!known.asking) own.abort();
  else known.asking.finally(() => own.abort());
}

// A quick click comes before the stations do: the dialog opens with them.
function read() {
  const until = new AbortController();
  return new Promise((done) => store.on('loaded', done, { signal: until.signal })).then(() => until.abort());
}

function wishFor({ stationId, evseId, connectorType }) {
  const scope = evseId ? `evse:${evseId}` : connectorType ? `type:${connectorType}` : null;
  return { stationId: stationId ?? firstFree()?.id ?? null, scope, minutes: 30, exact: null, token: '', kind: 'ISO14443', group: '', groupKind: 'Central', link: true, force: false };
}

function firstFree() {
  const all = [...store.stations.values()].sort(byId);
  return all.find((one) => one.evses.some((evse) => isFree(one, evse))) ?? all[0];
}

/** Shows the form with what was wished so far; `errors` are those that the server named. */
export function showForm(known, errors = []) {
  const { wish, body } = known;
  known.title(wish.stationId);
  wish.force = false;
  const scope = h('div', { class: 'scope' });
  const until = h('p', { class: 'until' });
  const goText = h('span');
  const go = h('button', { class: 'btn main', type: 'submit' }, icon('held'), goText);
  const wrong = h('ul', { class: 'wrong t-fault', role: 'alert', hidden: !errors.length }, errors.map((one) => h('li', null, one)));
  const exact = h('input', { type: 'datetime-local', aria: { label: t('reserve.exactTime') }, hidden: wish.exact === null, value: wish.exact ?? '', on: { input: () => ((wish.exact = exact.value), tick()) } });
  const form = h('form', { on: { submit } },
    h('div', { class: 'dlg-body' }, wrong,
      h('label', { class: 'field' }, h('span', null, t('reserve.station')), h('span', { class: 'select' }, stationSelect(wish, () => (known.title(wish.stationId), (wish.scope = null), drawScope())), icon('chevron'))),
      tokenFields(known),
      h('fieldset', null, h('legend', null, t('reserve.what')), scope),
      h('fieldset', null, h('legend', null, t('reserve.howLong')), durationChips(wish, exact, tick), exact, until)),
    h('div', { class: 'dlg-foot' },
      h('label', { class: 'check' }, check(wish), t('reserve.makeLink')),
      h('button', { class: 'btn push', type: 'button', on: { click: () => known.el.close() } }, t('words.close')), go));

  function drawScope() {
    const station = store.stations.get(wish.stationId);
    fill(scope, station ? scopesOf(station, wish) : h('p', { class: 'soft' }, t('reserve.noStation')));
    go.disabled = !scope.querySelector('input:checked');
  }
  function tick() {
    const end = endOf(wish);
    const ok = end > now();
    fill(until, ok ? [t('reserve.until'), ' ', h('b', null, when(end)), t('reserve.byServer')] : t('reserve.timeMissing'));
    say(goText, ok ? t('reserve.goUntil', { time: when(end) }) : t('reserve.head'));
  }
  function submit(event) {
    event.preventDefault();
    if (endOf(wish) > now()) order(known);
    else exact.focus();
  }
  const formEnd = new AbortController();
  known.signal.addEventListener('abort', () => formEnd.abort(), { once: true });
  known.formEnd?.abort();
  known.formEnd = formEnd;
  everySecond(tick, { signal: formEnd.signal });
  store.on(`station:${wish.stationId}`, () => scope.contains(document.activeElement) || drawScope(), { signal: formEnd.signal });
  drawScope();
  tick();
  fill(body, form);
  (errors.length ? form.querySelector('.wrong') : form.querySelector('[name=token]')).focus();
}

function check(wish) {
  const box = h('input', { type: 'checkbox', name: 'link', on: { change: () => (wish.link = box.checked) } });
  box.checked = wish.link;
  return box;
}

function stationSelect(wish, changed) {
  const groups = new Map();
  for (const one of [...store.stations.values()].sort(byId)) {
    const name = one.location?.name ?? '';
    if (!groups.has(name)) groups.set(name, []);
    const text = [one.id, one.model, one.online ? null : t('words.Offline')].filter(Boolean).join(' · ');
    groups.get(name).push(h('option', { value: one.id }, text));
  }
  const options = [...groups].map(([name, all]) => (name ? h('optgroup', { label: name }, all) : all));
  const select = h('select', { name: 'station', required: true, on: { change: () => ((wish.stationId = select.value), changed()) } }, options);
  select.value = wish.stationId ?? '';
  return select;
}

function tokenFields(known) {
  const { wish } = known;
  const hint = h('p', { class: 'note soft', role: 'status' });
  const group = h('input', { name: 'group', class: 'code', value: wish.group, maxlength: 36, autocomplete: 'off', spellcheck: 'false', on: { input: () => (wish.group = group.value.trim()) } });
  const token = h('input', { name: 'token', class: 'code', value: wish.token, required: true, autofocus: true, maxlength: 36, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'characters', on: { input: () => ((wish.token = token.value.replace(/\s+/g, '')), known.hint()) } });
  const kind = h('select', { name: 'kind', on: { change: () => ((wish.kind = kind.value), known.hint()) } }, KINDS.map((one) => h('option', { value: one }, one)));
  kind.value = wish.kind;
  known.hint = () => {
    const found = known.tokens.find((one) => one.type === wish.kind && one.idToken.toLowerCase() === wish.token.toLowerCase());
    // The group of a registered token comes along by itself, until another is written.
    if (found?.groupIdToken && (!wish.group || wish.group === wish.ownGroup)) {
      group.value = wish.group = wish.ownGroup = found.groupIdToken.idToken;
      wish.groupKind = found.groupIdToken.type;
    }
    say(hint, found ? t('reserve.tokenKnown', { status: found.status }) : '');
  };
  known.hint();
  return h('div', { class: 'trio' },
    h('label', { class: 'field' }, h('span', null, t('reserve.token')), token),
    h('label', { class: 'field' }, h('span', null, t('reserve.kind')), h('span', { class: 'select' }, kind, icon('chevron'))),
    h('label', { class: 'field' }, h('span', null, t('reserve.group')), group), hint);
}

function scopesOf(station, wish) {
  const offers = [];
  for (const evse of station.evses) {
    const hold = store.holdsOf(station.id).find((one) => placeOf(one) === evse.id);
    const face = faceOf(station, evse, hold);
    const types = typesOf(evse).map(connectorName).join(', ');
    offers.push({ value: `evse:${evse.id}`, head: t('words.evse', { id: evse.id }), text: [types, t(`words.${face.word}`)].filter(Boolean).join(', '), free: isFree(station, evse) });
  }
  const loose = station.reservations.nonEvseSpecific !== false;
  for (const type of new Set(station.evses.flatMap(typesOf))) {
    const having = station.evses.filter((evse) => typesOf(evse).includes(type));
    const free = having.filter((evse) => isFree(station, evse)).length;
    offers.push({ value: `type:${type}`, head: t('reserve.anyOf', { type: connectorName(type) }), text: loose ? t('reserve.stationPicks', { free, n: having.length }) : t('reserve.notOffered', { station: station.id }), off: !loose, free: free > 0 });
  }
  const free = station.evses.filter((evse) => isFree(station, evse)).length;
  offers.push({ value: 'any', head: t('reserve.any'), text: loose ? t('reserve.stationPicks', { free, n: station.evses.length }) : t('reserve.notOffered', { station: station.id }), off: !loose });
  if (!offers.some((one) => one.value === wish.scope)) wish.scope = (offers.find((one) => one.free && !one.off) ?? offers.find((one) => !one.off)).value;
  return offers.map((one) => {
    const input = h('input', { type: 'radio', name: 'scope', value: one.value, disabled: one.off, on: { change: () => (wish.scope = one.value) } });
    input.checked = one.value === wish.scope && !one.off;
    return h('label', { class: 'opt' }, input, h('b', null, one.head, icon('tick', { class: 'tick' })), one.text);
  });
}

function durationChips(wish, exact, changed) {
  const chip = (value, text) => {
    const input = h('input', { type: 'radio', name: 'duration', value, on: { change: () => choose(value) } });
    input.checked = wish.exact === null ? wish.minutes === value : value === 'exact';
    return h('label', { class: 'chip' }, input, text);
  };
  const choose = (value) => {
    if (value === 'exact') {
      exact.hidden = false;
      exact.value = wish.exact = local(now() + wish.minutes * 60_000);
    } else {
      exact.hidden = true;
      wish.exact = null;
      wish.minutes = value;
    }
    changed();
  };
  return h('div', { class: 'chips' }, MINUTES.map((n) => chip(n, n < 60 ? t('words.minutes', { n }) : t('words.hours', { n: n / 60 }))), chip('exact', t('reserve.exact')));
}

// What a datetime-local field wants: the reader's own time without a zone.
function local(ms) {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function endOf(wish) {
  return wish.exact === null ? now() + wish.minutes * 60_000 : Date.parse(wish.exact);
}

/** The words for what was asked for: `NG-03, EVSE 1`. */
export function placeText({ stationId, scope }) {
  const [kind, value] = (scope ?? 'any').split(':');
  const what = kind === 'evse' ? t('words.evse', { id: value }) : kind === 'type' ? t('reserve.anyOf', { type: connectorName(value) }) : t('words.anyEvse');
  return `${stationId}, ${what}`;
}

function orderOf(wish) {
  const [kind, value] = (wish.scope ?? 'any').split(':');
  return {
    stationId: wish.stationId,
    idToken: { idToken: wish.token, type: wish.kind },
    expiryDateTime: new Date(Math.round(endOf(wish))).toISOString(),
    ...(kind === 'evse' ? { evseId: Number(value) } : {}),
    ...(kind === 'type' ? { connectorType: value } : {}),
    ...(wish.group ? { groupIdToken: { idToken: wish.group, type: wish.groupKind } } : {}),
    ...(wish.force ? { force: true } : {}),
    ...(wish.link ? { driverLink: true } : {}),
  };
}

// Not crypto.randomUUID: that is for secure contexts alone, and a server in the same house may speak plain HTTP.
const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((n) => n.toString(16).padStart(2, '0')).join('');

/** Sends the order and shows the answer; with `again` it is the same request, which is never made twice. */
export function order(known, { force = false, again = null } = {}) {
  const { wish } = known;
  known.formEnd?.abort();
  if (force) wish.force = true;
  const request = again ?? { body: orderOf(wish), key: newKey(), wish: { ...wish } };
  known.title(request.body.stationId);
  const asked = new AbortController();
  showAsking(known, request, asked.signal);
  known.asking = send(request).then((answer) => {
    asked.abort();
    known.asking = null;
    if (answer.errors && !known.closed) return showForm(known, answer.errors);
    if (known.closed) return told(request, answer);
    return showAnswer(known, request, answer);
  });
}

async function send(request) {
  const sent = now();
  try {
    const reservation = await post('/reservations', request.body, { 'Idempotency-Key': request.key });
    store.put('reservation', reservation);
    return answerOf(request, { reservation, took: now() - sent });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.body.reservation) store.put('reservation', error.body.reservation);
    return answerOf(request, { error, took: now() - sent });
  }
}

// The dialog was closed meanwhile: the answer is told in the corner.
function told(request, answer) {
  toast(answer.head, answer.held ? t('reserve.toastHeld', { place: placeText(request.wish), token: mask(request.body.idToken), time: time(request.body.expiryDateTime) }) : placeText(request.wish), { tone: answer.tone });
}
