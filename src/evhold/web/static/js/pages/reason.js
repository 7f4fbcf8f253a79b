// How a reservation looks, what it holds, and why it is as it is, in words.
import { now } from '../clock.js';
import { connectorName, duration, when } from '../format.js';
import { TONE_OF_RESERVATION } from '../icons.js';
import { hasWish, isLive, needsAttention, stations } from '../store.js';
import { t } from '../text.js';

const SOON_MS = 5 * 60e3;
const SILENCES = new Set(['timeout', 'connection-lost', 'restart', 'unreadable-answer']);
const NOT_SENT = { 'station-offline': 'failedOffline', withdrawn: 'failedWithdrawn', 'unknown-at-station': 'failedUnknown' };

/** Every state, in the order of a life. */
export const STATES = ['Pending', 'Unconfirmed', 'Active', 'Used', 'Expired', 'Canceled', 'Removed', 'Refused', 'Failed'];

/** Its shape, tone and word: `{icon, tone, word}`. */
export const lookOf = (r) => stateLook(hasWish(r) ? 'Wish' : r.status);

/** The shape, tone and word of a state alone; `Wish` is a waiting cancel. */
export function stateLook(state) {
  return { icon: state.toLowerCase(), tone: TONE_OF_RESERVATION[state], word: t(`words.${state}`) };
}

/** What of the station is meant: an EVSE with its types, any of a type, or any. */
export function scopeOf({ stationId, evseId, connectorType }) {
  if (!evseId) return connectorType ? t('reservations.anyType', { type: connectorName(connectorType) }) : t('reservations.any');
  const types = typesAt(stationId, evseId);
  return [t('words.evse', { id: evseId }), types].filter(Boolean).join(' · ');
}

/** The connector types of an EVSE, as words; empty where they are not known. */
export function typesAt(stationId, evseId) {
  const evse = stations.get(stationId)?.evses.find((one) => one.id === evseId);
  return [...new Set((evse?.connectors ?? []).map((one) => one.type).filter(Boolean))].map(connectorName).join(', ');
}

/** Why it is as it is, in a sentence or two; empty where the state says it all. */
export function reasonOf(r) {
  const parts = isLive(r) ? liveReason(r) : endReason(r);
  return parts.filter(Boolean).join(' ');
}

function liveReason(r) {
  const parts = [];
  if (r.status === 'Pending') parts.push(why(hasWish(r) ? 'pendingWish' : 'pending', { ago: ago(r.createdAt) }));
  if (r.status === 'Unconfirmed') parts.push(doubtOf(r));
  if (hasWish(r) && r.status !== 'Pending') parts.push(why('wish', { at: when(r.cancelRequestedAt) }));
  if (needsAttention(r) && r.status !== 'Pending') parts.push(nextOf(r));
  if (r.replacement) parts.push(why('replacing', { change: changeOf(r, r.replacement) }));
  if (r.status === 'Active' && !parts.length) parts.push(timeReason(r));
  return parts;
}

function timeReason(r) {
  const left = Date.parse(r.expiryDateTime) - now();
  if (left <= 0) return why('over');
  return left < SOON_MS ? why('soon') : '';
}

/** What a change of terms changes, in words: "until 14:45, EVSE 2". */
export function changeOf(before, after) {
  const parts = [];
  if (after.expiryDateTime !== before.expiryDateTime) parts.push(t('reservations.until', { at: when(after.expiryDateTime) }));
  if (after.evseId !== before.evseId || after.connectorType !== before.connectorType) {
    parts.push(scopeOf({ stationId: before.stationId, evseId: after.evseId, connectorType: after.connectorType }));
  }
  return parts.join(', ') || t('reservations.sameTerms');
}

function doubtOf(r) {
  return SILENCES.has(r.cause) ? why(r.cause) : r.cause ? why('calledError', { code: r.cause }) : why('noAnswer');
}

function nextOf(r) {
  const station = stations.get(r.stationId);
  const values = { station: r.stationId, expiry: when(r.expiryDateTime), since: station?.lastSeen ? when(station.lastSeen) : '' };
  if (station && !station.online) return why(station.lastSeen ? 'offlineSince' : 'offline', values);
  return why(r.status === 'Unconfirmed' ? 'takingBack' : 'askedAgain', values);
}

function endReason(r) {
  switch (r.status) {
    case 'Used': return usedReason(r);
    case 'Expired': return [why(r.confirmed ? 'expired' : 'expiredByUs', { held: held(r) })];
    case 'Canceled': return [why(r.cause === 'retracted' ? 'retracted' : r.confirmed ? 'canceled' : 'canceledUnknown')];
    case 'Removed': return [why(r.cause === 'unknown-at-station' ? 'forgotten' : 'removed', { station: r.stationId })];
    case 'Refused': return [r.ocppStatus ? why('refused', { status: r.ocppStatus }) : why('calledError', { code: r.cause ?? '' }), infoOf(r)];
    default: return [failedReason(r)];
  }
}

function usedReason(r) {
  const known = r.cause === 'unproven' ? 'usedUnknown' : r.tokenMismatch ? 'usedForeign' : r.proven ? 'used' : 'usedUnproven';
  return [why(known), hasWish(r) ? why('wish', { at: when(r.cancelRequestedAt) }) : '', r.transactionId ? why('transaction', { id: shortId(r.transactionId) }) : ''];
}

function failedReason(r) {
  return why(NOT_SENT[r.cause] ?? 'failedBusy', { station: r.stationId });
}

function infoOf(r) {
  const info = r.statusInfo;
  return info ? why('info', { info: [info.reasonCode, info.additionalInfo].filter(Boolean).join(': ') }) : '';
}

function held(r) {
  return duration(Date.parse(r.updatedAt) - Date.parse(r.createdAt));
}

function ago(iso) {
  return duration(Math.max(0, now() - Date.parse(iso)));
}

function why(key, values) {
  return t(`reservations.why.${key}`, values);
}

// The whole id stands on the reservation's own page.
const shortId = (id) => (id.length > 12 ? `${id.slice(0, 4)}…${id.slice(-2)}` : id);
