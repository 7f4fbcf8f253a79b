// Other terms under the same number: another place, or another end. The station's answer replaces the form.
import { everySecond, now } from '../clock.js';
import { dialog, openDialog } from '../dialog.js';
import { fill, h, say } from '../dom.js';
import { connectorName, when } from '../format.js';
import { icon } from '../icons.js';
import { isLive, reservations, stations } from '../store.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { replace } from './orders.js';
import { scopeOf, typesAt } from './reason.js';

const CHIPS = [15, 30, 60, 120];
const MINUTE = 60e3;
let groups = 0;

/** A dialog that moves the reservation to another EVSE, any of a type, or any, at the same station. */
export function openMove(r) {
  groups += 1;
  const choices = choicesOf(r);
  const scope = h('div', { class: 'scope' }, choices.map(option));
  return ask(r, {
    head: t('reservations.moveHead', { id: r.id }),
    body: [h('fieldset', null, h('legend', null, t('reservations.moveLegend', { station: r.stationId })), scope), h('p', { class: 'until' }, t('reservations.moveHint', { at: when(r.expiryDateTime) }))],
    yes: t('reservations.moveYes'),
    icon: 'arrow',
    read: () => choices[Number(scope.querySelector(':checked')?.value ?? -1)]?.change ?? null,
    missing: t('reservations.moveMissing'),
  });
}

function choicesOf(r) {
  const station = stations.get(r.stationId);
  const taken = new Set([...reservations.values()].filter((one) => one.stationId === r.stationId && one.id !== r.id && ['Pending', 'Active', 'Unconfirmed'].includes(one.status)).map((one) => one.evseId));
  const evses = (station?.evses ?? []).filter((evse) => evse.id !== r.evseId).map((evse) => evseChoice(r, evse, taken.has(evse.id)));
  const types = [...new Set((station?.evses ?? []).flatMap((evse) => evse.connectors.map((one) => one.type)).filter(Boolean))].filter((type) => type !== r.connectorType);
  const specific = station?.reservations?.nonEvseSpecific;
  const anyHint = specific === false ? t('reservations.notOffered', { station: r.stationId }) : t('reservations.stationPicks');
  return [
    ...evses,
    ...types.map((type) => ({ change: { evseId: null, connectorType: type }, name: t('reservations.anyType', { type: connectorName(type) }), hint: anyHint, off: specific === false })),
    ...(r.evseId || r.connectorType ? [{ change: { evseId: null, connectorType: null }, name: t('reservations.any'), hint: anyHint, off: specific === false }] : []),
  ];
}

function evseChoice(r, evse, held) {
  const states = [...new Set(evse.connectors.map((one) => one.status).filter(Boolean))];
  const state = states.includes('Available') ? 'Available' : states[0];
  const hint = [typesAt(r.stationId, evse.id), held ? t('reservations.heldByOther') : state ? t(`words.${state}`) : ''].filter(Boolean).join(', ');
  return { change: { evseId: evse.id, connectorType: null }, name: t('words.evse', { id: evse.id }), hint, off: held };
}

function option({ name, hint, off }, index) {
  const input = h('input', { type: 'radio', name: `scope-${groups}`, value: String(index), disabled: off });
  return h('label', { class: 'opt' }, input, h('b', null, name, icon('tick', { class: 'tick' })), hint);
}

/** A dialog that ends the reservation later, or at an exact time. */
export function openExtend(r) {
  groups += 1;
  const end = h('input', { type: 'datetime-local', step: '60', value: localText(Date.parse(r.expiryDateTime) + 15 * MINUTE), aria: { label: t('reservations.exact') } });
  const exact = h('div', { class: 'exact', hidden: true }, end);
  const until = h('b');
  const chips = h('div', { class: 'chips' }, CHIPS.map((minutes, index) => chip(String(minutes), t('reservations.plus', { minutes }), index === 0)), chip('x', t('reservations.exact'), false));
  const chosen = () => chips.querySelector(':checked').value;
  const target = () => (chosen() === 'x' ? Date.parse(end.value) : Date.parse(r.expiryDateTime) + Number(chosen()) * MINUTE);
  const show = () => {
    exact.hidden = chosen() !== 'x';
    say(until, Number.isNaN(target()) ? '–' : when(target()));
  };
  chips.addEventListener('change', () => { show(); if (!exact.hidden) end.focus(); });
  end.addEventListener('input', show);
  show();
  return ask(r, {
    head: t('reservations.longerHead', { id: r.id }),
    body: [h('fieldset', null, h('legend', null, t('reservations.longerLegend', { at: when(r.expiryDateTime) })), chips, exact), h('p', { class: 'until' }, t('reservations.heldUntil'), ' ', until, ', ', t('reservations.byServer'))],
    yes: t('reservations.longerYes'),
    icon: 'held',
    read: () => (target() > now() ? { expiryDateTime: new Date(target()).toISOString() } : null),
    missing: t('reservations.past'),
  });
}

function chip(value, label, checked) {
  return h('label', { class: 'chip' }, h('input', { type: 'radio', name: `until-${groups}`, value, checked }), label);
}

// The value of datetime-local has no zone: it is the reader's own.
function localText(ms) {
  const at = new Date(ms);
  return new Date(ms - at.getTimezoneOffset() * MINUTE).toISOString().slice(0, 16);
}

function ask(r, { head, body, foot, yes, icon: shape, read, missing }) {
  const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
  const send = h('button', { class: 'btn main', type: 'submit' }, icon(shape), yes);
  const back = h('button', { class: 'btn push', type: 'button', on: { click: () => el.close() } }, t('words.close'));
  const box = h('div', { class: 'dlg-body' }, body, problem);
  const form = h('form', { on: { submit } }, box, h('div', { class: 'dlg-foot' }, foot, back, send));
  const el = dialog({ head, body: form });
  const ending = new AbortController();
  openDialog(el).then(() => ending.abort());
  return el;

  async function submit(event) {
    event.preventDefault();
    const change = read();
    problem.hidden = Boolean(change);
    problem.textContent = change ? '' : missing;
    if (!change) return;
    const asking = waiting(r, ending.signal);
    fill(form, h('div', { class: 'dlg-body' }, asking), h('div', { class: 'dlg-foot' }, back));
    const known = reservations.get(r.id) ?? r;
    const outcome = await replace(known, change);
    if (ending.signal.aborted || outcome.ok) {
      el.close();
      toast(outcome.head, outcome.text, { tone: outcome.tone });
      return;
    }
    answer(form, outcome, known, back, () => { fill(form, box, h('div', { class: 'dlg-foot' }, foot, back, send)); });
  }
}

function waiting(r, signal) {
  const began = now();
  const line = h('p', null, t('reservations.askingText', { seconds: 0 }));
  everySecond(() => say(line, t('reservations.askingText', { seconds: Math.round((now() - began) / 1000) })), { signal });
  return h('div', { class: 'answer t-held', role: 'status' }, h('span', { class: 'badge' }, icon('pending')), h('h3', null, t('reservations.asking', { station: r.stationId })), line);
}

function answer(form, outcome, r, back, again) {
  const said = h('div', { class: `answer t-${outcome.tone}`, role: 'alert' }, h('span', { class: 'badge' }, icon('refused')), h('h3', null, outcome.head), h('p', null, outcome.text));
  const live = isLive(reservations.get(r.id) ?? r);
  const still = live && h('p', { class: 'small soft' }, t('reservations.stillHeld', { place: `${r.stationId}, ${scopeOf(r)}`, at: when(r.expiryDateTime) }));
  const change = live && h('button', { class: 'btn', type: 'button', on: { click: again } }, t('reservations.changeRequest'));
  fill(form, h('div', { class: 'dlg-body' }, said, still), h('div', { class: 'dlg-foot' }, change, back));
  back.focus();
}
