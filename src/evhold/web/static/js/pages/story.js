// The life of a reservation as entries in order of time: what was said, what it became, where nobody heard anything.
import { duration, time } from '../format.js';
import { hasWish, isLive } from '../store.js';
import { t } from '../text.js';
import { changeOf, scopeOf, stateLook } from './reason.js';

const CALL = 2, RESULT = 3;
const QUIET_MS = 2000;
const TONE = { Accepted: 'held', Occupied: 'over', Unavailable: 'over', Rejected: 'over', Faulted: 'fault' };

/**
 * The entries: `{key, at, kind}` and, for a `message`, `{from, to, reply, tone, label, note, head, json}`; for a `fact`
 * `{icon, tone, word}`; for a `gap` `{icon, text}`.
 * @param more `{frames: [{at, frame}], outages: [{from, to}]}` what the station said and where it was gone beside the history
 */
export function storyOf(r, history, more = {}) {
  const tellers = { sent: new Map(), seen: new Set(), terms: null };
  const told = [...messages(r, history, tellers), ...facts(history), ...others(more.frames ?? [], tellers), ...outages(more.outages ?? [])];
  return told.map((entry, order) => ({ ...entry, order })).sort((a, b) => a.at - b.at || a.order - b.order);
}

function messages(r, history, tellers) {
  return history.flatMap((row, index) => {
    const frames = row.frames.map((frame) => ofFrame(frame, tellers)).filter(Boolean);
    return isOrder(row) ? [ofOrder(r, history, index), ...frames] : frames;
  });
}

// --- orders of people

const isOrder = (row) => (row.by === 'driver' || row.by === 'operator') && !row.frames.length;

function ofOrder(r, history, index) {
  const row = history[index];
  const [label, note] = orderWords(r, history, index);
  return {
    key: `order ${index}`, kind: 'message', at: Date.parse(row.at), iso: row.at, from: row.by, to: 'csms', reply: false,
    tone: null, label, note, head: t('reservation.orderHead', { fact: row.fact }), json: { ...row, frames: undefined },
  };
}

function orderWords(r, history, index) {
  const row = history[index];
  const next = reservesAfter(history, index)[0];
  if (row.fact === 'ReserveOrdered') {
    const expiry = next?.expiryDateTime ?? r.expiryDateTime;
    return [t('reservation.orders.reserve'), duration(Date.parse(expiry) - Date.parse(row.at))];
  }
  if (row.fact === 'CancelOrdered') return [t('reservation.orders.cancel'), ''];
  if (row.fact === 'CancelWithdrawn') return [t('reservation.orders.keep'), ''];
  if (row.fact === 'ReplaceOrdered') return replaceWords(r, history, index, next);
  return [row.fact.replace(/(?<=[a-z])(?=[A-Z])/g, ' '), ''];
}

function replaceWords(r, history, index, next) {
  const before = reservesBefore(history, index).at(-1);
  const after = next ?? r.replacement;
  if (!before || !after) return [t('reservation.orders.change'), ''];
  const moved = (before.evseId ?? null) !== (after.evseId ?? null) || (before.connectorType ?? null) !== (after.connectorType ?? null);
  if (moved) return [t('reservation.orders.move'), scopeOf({ stationId: r.stationId, evseId: after.evseId, connectorType: after.connectorType })];
  const longer = Date.parse(after.expiryDateTime) - Date.parse(before.expiryDateTime);
  if (longer > 0) return [t('reservation.orders.extend'), `+${duration(longer)}`];
  return [t('reservation.orders.change'), changeOf({ stationId: r.stationId, ...before }, { ...before, ...after })];
}

const reserves = (rows) => rows.flatMap((row) => row.frames).map((one) => one.frame).filter((frame) => frame[2] === 'ReserveNow').map((frame) => frame[3]);
const reservesAfter = (history, index) => reserves(history.slice(index + 1));
const reservesBefore = (history, index) => reserves(history.slice(0, index));

// --- frames

function ofFrame({ sender, at, frame }, tellers) {
  const [type, id] = Array.isArray(frame) ? frame : [];
  const key = `${sender} ${type} ${id ?? at}`;
  if (tellers.seen.has(key)) return null;
  tellers.seen.add(key);
  const base = { key, kind: 'message', at: Date.parse(at), iso: at, ...lanes(sender), reply: type !== CALL, tone: null, note: '', json: frame };
  if (type === CALL) return { ...base, ...ofCall(frame, base, tellers) };
  if (type === undefined) return { ...base, reply: false, label: t('reservation.unreadable'), head: '' };
  return { ...base, ...ofAnswer(frame, base, tellers) };
}

const lanes = (sender) => (sender === 'CSMS' ? { from: 'csms', to: 'station' } : { from: 'station', to: 'csms' });

function ofCall([, id, action, payload], base, tellers) {
  tellers.sent.set(id, { action, at: base.at });
  return { label: action, note: callNote(action, payload ?? {}, tellers), head: t('reservation.messageHead', { id }) };
}

function callNote(action, payload, tellers) {
  if (action === 'ReserveNow') {
    const again = tellers.terms !== null;
    tellers.terms = payload;
    return t(again ? 'reservation.sameIdUntil' : 'reservation.untilAt', { at: time(payload.expiryDateTime) });
  }
  return payload.reservationUpdateStatus ?? payload.connectorStatus ?? payload.eventType ?? '';
}

function ofAnswer([type, id, payload], base, tellers) {
  const asked = tellers.sent.get(id);
  const note = asked ? t('reservation.after', { ms: base.at - asked.at }) : t('reservation.late');
  const head = t('reservation.answerHead', { id });
  if (type !== RESULT) return { label: payload, note, head, tone: 'fault' };
  const status = payload?.status;
  const tone = asked?.action === 'CancelReservation' ? 'over' : TONE[status] ?? null;
  return { label: status ?? t('reservation.answer'), note, head, tone };
}

function others(frames, tellers) {
  return frames.map(({ at, frame }) => ofFrame({ sender: 'CS', at, frame }, tellers)).filter(Boolean);
}

// --- what it became

function facts(history) {
  return history.flatMap((row, index) => {
    const at = Date.parse(row.at);
    const gap = gapText(row);
    const state = stateOf(row, history[index - 1], history[index + 1]);
    return [
      gap && { key: `gap ${index}`, kind: 'gap', at, icon: gap.icon, text: gap.text },
      state && { key: `fact ${index}`, kind: 'fact', at, ...state },
    ].filter(Boolean);
  });
}

function stateOf(row, before, after) {
  if (row.from && row.from !== row.to) return stateLook(row.to);
  if (row.fact === 'CancelOrdered' && (!after || Date.parse(after.at) - Date.parse(row.at) > QUIET_MS)) {
    return stateLook('Wish');
  }
  if (row.fact === 'CancelWithdrawn') return stateLook(row.to);
  if (row.to !== 'Active' || before?.fact !== 'ReplaceOrdered') return null;
  if (row.fact === 'Accepted') return { icon: 'active', tone: 'held', word: t('reservation.newTerms') };
  return ['Refused', 'Errored', 'NeverLeft'].includes(row.fact) ? { icon: 'active', tone: 'held', word: t('reservation.oldTerms') } : null;
}

function gapText(row) {
  if (row.anomaly) return { icon: 'unconfirmed', text: t('reservation.gaps.anomaly') };
  if (row.fact === 'Silent') return { icon: 'offline', text: t(`reservation.gaps.${row.cause}`, {}) };
  if (row.fact === 'NeverLeft') return { icon: 'offline', text: t('reservation.gaps.neverLeft') };
  if (row.fact === 'SweepDue') return { icon: 'clock', text: t('reservation.gaps.sweep') };
  return null;
}

function outages(list) {
  return list.map(({ from, to }) => ({
    key: `outage ${from}`, kind: 'gap', at: Date.parse(from), icon: 'offline',
    text: to ? t('reservation.gaps.outage', { time: duration(Date.parse(to) - Date.parse(from)) }) : t('reservation.gaps.gone', { at: time(from) }),
  }));
}

/** What is still to come, below the now-line: a list of `{key, icon, text}`. */
export function aheadOf(r, { online }) {
  if (!isLive(r)) return [];
  const ahead = [];
  if (r.status === 'Pending' || r.replacement) ahead.push({ key: 'waits', icon: 'pending', text: t('reservation.ahead.answer') });
  else if (r.status === 'Unconfirmed' || hasWish(r)) ahead.push({ key: 'ask', icon: 'wish', text: t(online ? 'reservation.ahead.cancel' : 'reservation.ahead.cancelLater') });
  ahead.push({ key: 'expiry', icon: 'clock', text: t('reservation.ahead.expiry', { at: time(r.expiryDateTime) }) });
  return ahead;
}
