// What people do with a reservation: longer, elsewhere, canceled, asked again, kept. Each says how it ended.
import { get, post, request } from '../api.js';
import { now } from '../clock.js';
import { confirmDialog } from '../dialog.js';
import { h } from '../dom.js';
import { duration, when } from '../format.js';
import { icon } from '../icons.js';
import { canOrder, hasWish, isLive, put, stations } from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { reasonOf } from './reason.js';

const MINUTE = 60e3;
/** How much longer the quick button makes it, in minutes. */
export const QUICK = 15;

/** The names of the orders that make sense for it now, the first one being the first choice. */
export function ordersOf(r) {
  if (!canOrder()) return [];
  const there = stations.get(r.stationId)?.online ?? false;
  if (r.status === 'Used') return r.proven ? [] : hasWish(r) ? ['keep'] : ['cancel'];
  if (!isLive(r)) return [];
  const ask = there && (r.status === 'Unconfirmed' || hasWish(r)) ? ['ask'] : [];
  if (hasWish(r)) return [...ask, 'keep'];
  if (r.status === 'Active' && !r.replacement) return ['extend', 'longer', 'move', 'cancel'];
  return [...ask, 'cancel'];
}

/** Does the order of this name; the dialogs come from move.js, on first need. */
export async function give(name, r) {
  const orders = { extend: () => extend(r, QUICK), cancel, ask, keep };
  if (orders[name]) return orders[name](r);
  const dialogs = await import('./move.js');
  return name === 'move' ? dialogs.openMove(r) : dialogs.openExtend(r);
}

/** Its end moved by so many minutes. */
export function extend(r, minutes) {
  return replace(r, { expiryDateTime: new Date(Date.parse(r.expiryDateTime) + minutes * MINUTE).toISOString() }).then(tellReplaced);
}

/**
 * PATCH with the version that was shown: `{ok, reservation, text, head, status?}` says how it ended, for a toast or a dialog.
 */
export async function replace(r, change, { again = true } = {}) {
  const began = now();
  try {
    const { status, body } = await request('PATCH', `/reservations/${r.id}`, { body: change, headers: { 'If-Match': `"${r.version}"` } });
    put('reservation', body);
    return status === 202 ? { ...asked(body), reservation: body } : { ok: true, tone: 'held', reservation: body, head: t('reservations.done.held', { id: r.id, at: when(body.expiryDateTime) }), text: answered(body, began) };
  } catch (error) {
    const known = error.status === 412 && again ? await unchanged(r) : null;
    return known ? replace(known, change, { again: false }) : refused(error, r);
  }
}

// A version may rise without anything to see: after a refused change the station is told the old terms anew.
async function unchanged(r) {
  const sight = ({ status, evseId, connectorType, expiryDateTime, idToken, groupIdToken, cancelRequestedAt, replacement }) =>
    JSON.stringify([status, evseId, connectorType, expiryDateTime, idToken, groupIdToken, cancelRequestedAt, replacement]);
  const known = await get(`/reservations/${r.id}`).catch(() => null);
  if (known) put('reservation', known);
  return known && sight(known) === sight(r) ? known : null;
}

function asked(r) {
  return { ok: true, tone: 'doubt', head: t('reservations.done.asked', { id: r.id }), text: t('reservations.done.askedText', { station: r.stationId }) };
}

function tellReplaced(outcome) {
  toast(outcome.head, outcome.text, { tone: outcome.tone });
  return outcome;
}

const answered = (r, began) => t('reservations.done.after', { station: r.stationId, time: duration(now() - began) });

async function cancel(r) {
  const head = t('reservations.cancelHead', { id: r.id });
  const there = stations.get(r.stationId)?.online ?? true;
  const text = t(there ? 'reservations.cancelText' : 'reservations.cancelOffline', { station: r.stationId });
  if (!(await confirmDialog({ head, text, yes: t('reservations.cancelYes'), no: t('words.keepIt') }))) return null;
  const began = now();
  return attempt(r, () => request('DELETE', `/reservations/${r.id}`), ({ status, body }) => {
    if (status === 202) return { tone: 'doubt', head: t('reservations.done.wish', { id: r.id }), text: reasonOf(body) };
    const text = body.status === 'Canceled' ? answered(body, began) : reasonOf(body);
    return { tone: 'over', head: t('reservations.done.ended', { id: r.id, state: t(`words.${body.status}`) }), text };
  });
}

function ask(r) {
  return attempt(r, () => request('POST', `/reservations/${r.id}/ask`), ({ status, body }) => (status === 202
    ? { tone: 'doubt', head: t('reservations.done.asked', { id: r.id }), text: reasonOf(body) }
    : { tone: isLive(body) ? 'held' : 'over', head: t('reservations.done.ended', { id: r.id, state: t(`words.${body.status}`) }), text: reasonOf(body) }));
}

function keep(r) {
  return attempt(r, () => request('DELETE', `/reservations/${r.id}/cancel-request`), () => ({
    tone: 'held', head: t('reservations.done.kept', { id: r.id }), text: t('reservations.done.keptText'),
  }));
}

async function attempt(r, work, say) {
  let outcome;
  try {
    const answer = await work();
    put('reservation', answer.body);
    outcome = { ok: true, reservation: answer.body, ...say(answer) };
  } catch (error) {
    outcome = refused(error, r);
  }
  toast(outcome.head, outcome.text, { tone: outcome.tone });
  return outcome;
}

/** What an ApiError means for a person; the reservation is read anew, as it may have changed meanwhile. */
export function refused(error, r) {
  if (!error.type && error.status === undefined) throw error;
  if (error.body?.reservation) put('reservation', error.body.reservation);
  else if (error.status !== 0) get(`/reservations/${r.id}`).then((known) => put('reservation', known), () => {});
  const values = { id: r.id, station: r.stationId, status: error.body?.ocppStatus ?? error.body?.code ?? '', detail: error.detail || error.title };
  const known = t(`reservations.errors.${error.type}`, values);
  const text = known === `reservations.errors.${error.type}` ? t('reservations.errors.other', values) : known;
  return { ok: false, tone: 'fault', type: error.type, ocppStatus: error.body?.ocppStatus, head: t('reservations.errors.head', values), text };
}

/** The buttons of these orders; `slim` ones name the reservation for screen readers. */
export function orderButtons(names, current, { slim = false } = {}) {
  return names.map((name, index) => {
    const label = t(`reservations.orders.${name}`);
    const long = t(`reservations.orders.${name}Long`, { id: current().id, minutes: QUICK });
    const kind = name === 'cancel' ? 'stop' : name === 'longer' && slim ? 'plain' : !slim && index === 0 && name !== 'cancel' ? 'main' : '';
    const only = slim && name === 'longer';
    const button = h('button', {
      class: ['btn', slim && 'slim', only && 'icon', kind].filter(Boolean).join(' '), type: 'button', title: only ? label : null,
      data: { order: name }, aria: { label: slim ? long : null }, on: { click: () => press(button, name, current()) },
    }, only ? icon('clock') : slim ? label : t(`reservations.orders.${name}Full`, { minutes: QUICK }));
    return button;
  });
}

async function press(button, name, r) {
  if (button.getAttribute('aria-busy')) return;
  button.setAttribute('aria-busy', 'true');
  try {
    await give(name, r);
  } finally {
    button.removeAttribute('aria-busy');
  }
}

/** A new link for the driver of this reservation: its address. */
export async function driverLink(r) {
  return (await post(`/reservations/${r.id}/driver-link`)).driverLink;
}
