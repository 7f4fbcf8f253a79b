// Every state of a reservation in plain words for whoever holds it. What is not known is not claimed.
import { now } from '../clock.js';
import { duration, time, when } from '../format.js';
import { t } from '../text.js';

const FAULTS = { Faulted: 'fault', Unavailable: 'outOfOrder' };

/** How it stands: {icon, tone, head, text, more, runs (the time counts down), open (it can be extended or given back)}. */
export function standing({ reservation: r, station, lost }) {
  const live = LIVE[r.status]?.(r, station);
  const found = live ?? ENDED[r.status](r, station);
  return { runs: false, open: Boolean(live) && r.cancelRequestedAt === null, more: '', ...found, stale: Boolean(lost) };
}

const say = (key, r, values) => ({
  head: t(`driver.${key}.head`, values),
  text: t(`driver.${key}.text`, { until: when(r.expiryDateTime), token: tokenOf(r), at: when(r.updatedAt), ...values }),
});

/** The token's last characters, as the card shows them. */
export function tokenOf({ idToken }) {
  const shown = idToken.replace(/^\.+/, '');
  return shown ? `•• ${shown}` : '';
}

const LIVE = {
  Pending: (r) => (r.cancelRequestedAt ? giving(r) : { icon: 'pending', tone: 'held', ...say('asking', r) }),
  Unconfirmed: (r) => (r.cancelRequestedAt ? giving(r) : { icon: 'unconfirmed', tone: 'doubt', ...say('doubt', r) }),
  Active: (r, station) => (r.cancelRequestedAt ? giving(r, station) : held(r, station)),
};

function giving(r, station) {
  return { icon: 'wish', tone: 'doubt', ...say(station && !station.online ? 'givingLater' : 'giving', r) };
}

function held(r, station) {
  if (Date.parse(r.expiryDateTime) <= now()) return { icon: 'expired', tone: 'over', ...say('ending', r) };
  const statuses = station.evses.filter((one) => one.id === r.evseId).flatMap((one) => one.connectors.map((at) => at.status));
  const card = tokenOf(r) ? 'Card' : '';
  const base = { icon: 'held', tone: 'held', runs: true };
  if (r.replacement) return { ...base, ...longer(r), icon: 'pending' };
  if (!station.online)
    return { ...base, ...say(`held${card}`, r), more: station.lastSeen ? t('driver.outOfTouch', { at: when(station.lastSeen) }) : t('driver.outOfTouchLong') };
  if (statuses.length && statuses.every((one) => one === 'Occupied')) return { ...base, ...say(`plugged${card}`, r) };
  const broken = statuses.length && statuses.every((one) => one in FAULTS) ? t(`driver.${FAULTS[statuses[0]]}`) : '';
  return { ...base, ...say(`held${card}`, r), more: broken };
}

function longer(r) {
  const more = Date.parse(r.replacement.expiryDateTime) - Date.parse(r.expiryDateTime);
  return more > 0 ? say('longer', r, { span: duration(more), until: time(r.expiryDateTime) }) : say('changing', r);
}

const ENDED = {
  Used: (r) => ({
    icon: 'used',
    tone: 'used',
    ...say(r.cause === 'unproven' || r.proven === false ? 'usedBySomebody' : r.tokenMismatch ? 'usedByAnother' : 'used', r),
  }),
  Expired: (r) => ({ icon: 'expired', tone: 'over', ...say('expired', r) }),
  Canceled: (r) => ({ icon: 'canceled', tone: 'over', ...say(r.cause === 'retracted' ? 'retracted' : 'canceled', r) }),
  Removed: (r, station) => ({ icon: 'removed', tone: 'fault', ...removed(r, station) }),
  Refused: (r) => ({ icon: 'refused', tone: 'over', ...say('refused', r) }),
  Failed: (r) => ({ icon: 'failed', tone: 'fault', ...say(r.cause === 'station-offline' ? 'failedOffline' : 'failed', r) }),
};

// The station says that it takes a hold back, not why: a fault is told where it reports one, and never where it only knows nothing.
function removed(r, station) {
  if (r.cause === 'unknown-at-station') return say('forgotten', r);
  const statuses = station.evses.filter((one) => r.evseId === null || one.id === r.evseId).flatMap((one) => one.connectors.map((at) => at.status));
  const evse = r.evseId ?? '';
  if (statuses.includes('Faulted') && statuses.every((one) => one in FAULTS)) return say('takenFault', r, { evse });
  if (statuses.length && statuses.every((one) => one === 'Unavailable')) return say('takenOut', r, { evse });
  return say('taken', r);
}
