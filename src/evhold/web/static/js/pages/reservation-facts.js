// What stands beside the diagram: the terms, the use, the driver's link, the history.
import { now } from '../clock.js';
import { h, say } from '../dom.js';
import { dateTime, mask, time, when } from '../format.js';
import { icon } from '../icons.js';
import { canOperate, isLive, stations } from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { driverLink } from './orders.js';
import { changeOf, scopeOf, stateLook } from './reason.js';
import { copyText } from './sequence.js';

const DAY_MS = 864e5;

/** The terms as a list of names and values. */
export function termsOf(r, history) {
  const site = stations.get(r.stationId)?.location?.name;
  const maker = history[0]?.by;
  const made = maker ? t('reservation.byWhom', { at: when(r.createdAt), who: t(`reservation.by.${maker}`) }) : when(r.createdAt);
  const rows = [
    ['place', [h('a', { href: `/stations/${encodeURIComponent(r.stationId)}` }, r.stationId), `, ${scopeOf(r)}`]],
    ['site', site],
    ['token', [h('span', { class: 'code' }, mask(r.idToken)), ` ${r.idToken.type}`]],
    ['group', r.groupIdToken && h('span', { class: 'code' }, mask(r.groupIdToken))],
    ['expires', h('time', { datetime: r.expiryDateTime }, dateTime(r.expiryDateTime))],
    ['proposed', r.replacement && isLive(r) && changeOf(r, r.replacement)],
    ['made', made],
    ['confirmed', !isLive(r) && t(r.confirmed ? 'reservation.confirmedYes' : 'reservation.confirmedNo')],
  ];
  return pairs(rows);
}

function pairs(rows) {
  const shown = rows.filter(([, value]) => value);
  return h('dl', { class: 'kv' }, shown.flatMap(([name, value]) => [h('dt', null, t(`reservation.${name}`)), h('dd', null, value)]));
}

/** The transaction that used it, or what to expect. */
export function useOf(r) {
  if (!r.transactionId) return h('p', { class: 'small soft' }, t(isLive(r) ? 'reservation.noTransaction' : 'reservation.noTransactionEnded'));
  const proof = r.tokenMismatch ? 'foreign' : r.proven ? 'proven' : 'none';
  return pairs([
    ['transactionId', h('span', { class: 'code' }, r.transactionId)],
    ['usedEvse', r.usedEvseId && t('words.evse', { id: r.usedEvseId })],
    ['usedBy', r.usedBy && h('span', { class: 'code' }, mask(r.usedBy))],
    ['proof', t(`reservation.proofs.${proof}`)],
  ]);
}

/** The maker of links for the driver: `{el, update(r)}`. */
export function linkBox(current) {
  const out = h('input', { type: 'text', readonly: true, class: 'code', hidden: true, aria: { label: t('reservation.link') } });
  const copy = h('button', { class: 'btn', type: 'button', hidden: true, on: { click: () => copyText(out.value) } }, icon('copy'), t('reservation.copyLink'));
  const make = h('button', { class: 'btn', type: 'button', on: { click: press } }, icon('link'), t('reservation.makeLink'));
  const dies = h('p', { class: 'note quiet', hidden: true });
  const el = h('div', { class: 'driver-link' }, h('span', { class: 'small soft' }, t('reservation.link')), make, out, copy, dies);
  out.addEventListener('focus', () => out.select());
  return { el, update: (r) => {
    el.hidden = !canOperate();
    const end = isLive(r) ? Math.max(Date.parse(r.expiryDateTime), now()) : Date.parse(r.updatedAt);
    say(dies, t('reservation.linkDies', { at: dateTime(end + DAY_MS) }));
  } };

  async function press() {
    make.disabled = true;
    try {
      out.value = await driverLink(current());
      for (const one of [out, copy, dies]) one.hidden = false;
      make.hidden = true;
      copy.focus();
    } catch (error) {
      toast(t('reservation.linkFailed', { detail: error.detail || error.message }), '', { tone: 'fault' });
    }
    make.disabled = false;
  }
}

/** One row of the history: when, what it became, what made it so. */
export function historyRow(row, before) {
  const look = row.fact === 'CancelOrdered' ? stateLook('Wish') : stateLook(row.to);
  const asked = row.fact === 'ReplaceOrdered';
  const text = [...whyOf(row, before), infoOf(row), row.anomaly && t('reservation.noted')].filter(Boolean).join(' ');
  return h('li', { class: `t-${look.tone}` }, h('time', { datetime: row.at }, stampOf(row, before)), icon(asked ? 'pending' : look.icon),
    h('span', null, h('b', null, headOf(row, before, look)), h('br'), h('span', { class: 'small soft' }, text)));
}

const isSame = (row) => row.from === row.to && row.from !== null;

function headOf(row, before, look) {
  if (!isSame(row)) return look.word;
  if (before?.fact === 'ReplaceOrdered' && row.fact === 'Accepted') return t('reservation.newTerms');
  if (before?.fact === 'ReplaceOrdered' && row.fact === 'Refused') return t('reservation.oldTerms');
  return factName(row);
}

function whyOf(row, before) {
  const who = t('reservation.historyBy', { who: t(`reservation.by.${row.by}`) });
  const terms = row.fact === 'Accepted' && row.frames.find(({ frame }) => frame[2] === 'ReserveNow')?.frame[3];
  if (terms) return [t('reservation.acceptedUntil', { at: when(terms.expiryDateTime) })];
  const told = isSame(row) && headOf(row, before, {}) === factName(row) ? row.cause && t('reservation.cause', { cause: row.cause }) : t('reservation.historyRow', { fact: factName(row), cause: row.cause });
  return [told, who];
}

function infoOf({ statusInfo: info }) {
  return info && `${[info.reasonCode, info.additionalInfo].filter(Boolean).join(': ')}.`;
}

// A fact of a later version of the server has no words here yet.
function factName(row) {
  const text = t(`reservation.facts.${row.fact}`);
  return text.startsWith('reservation.facts.') ? row.fact.replace(/(?<=[a-z])(?=[A-Z])/g, ' ') : text;
}

function stampOf(row, before) {
  const day = (at) => new Date(at).toDateString();
  const sameDay = before ? day(before.at) === day(row.at) : day(row.at) === day(now());
  return sameDay ? time(row.at, { seconds: true }) : dateTime(row.at);
}
