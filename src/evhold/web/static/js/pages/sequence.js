// The life of a reservation between driver, CSMS and station: a list of arrows that open to their messages.
import { everySecond, now } from '../clock.js';
import { h, keyed, say } from '../dom.js';
import { mask, time } from '../format.js';
import { icon } from '../icons.js';
import { t } from '../text.js';
import { toast } from '../toast.js';
import { jsonText, jsonView } from './json.js';

const LANES = { driver: 'dc', operator: 'dc', station: 'cs' };

/** The diagram: `{el, update(reservation, entries, ahead)}`; entries as story.js tells them. */
export function sequence({ signal }) {
  const names = h('div', { class: 'lanes', aria: { hidden: true } });
  const list = h('ol', { aria: { labelledby: 'said' } });
  const none = h('p', { class: 'pad small soft' }, t('reservation.noStory'));
  const el = h('section', { class: 'panel seq', aria: { labelledby: 'said' } },
    h('header', { class: 'pad' }, h('h2', { id: 'said' }, t('reservation.said')), h('span', { class: 'small soft end' }, t('reservation.saidHint'))),
    names, h('div', { class: 'seq-body' }, h('div', { class: 'life', aria: { hidden: true } }, h('span'), h('i'), h('i'), h('i')), list), none);
  const clock = h('time');
  const tick = () => say(clock, time(now(), { seconds: true }));
  everySecond(tick, { signal });
  tick();
  return { el, update: (r, entries, ahead) => {
    lanesOf(names, r, entries);
    const items = [...entries, ...(ahead.length ? [{ key: 'now', kind: 'now' }, ...ahead.map((one) => ({ ...one, kind: 'gap' }))] : [])];
    keyed(list, items, (item) => item.key, (item) => h('li'), (li, item) => update(li, item, clock));
    none.hidden = items.length > 0;
  } };
}

function lanesOf(names, r, entries) {
  const people = new Set(entries.filter((one) => one.from === 'driver' || one.from === 'operator').map((one) => one.from));
  const first = people.has('driver') || !people.size ? 'driver' : 'operator';
  const wanted = [[t(`reservation.${first}`), first === 'driver' ? mask(r.idToken) : ''], [t('reservation.csms'), 'evhold'], [t('reservation.station'), r.stationId]];
  const sign = wanted.join();
  if (names.dataset.sign === sign) return;
  names.dataset.sign = sign;
  names.replaceChildren(h('i'), ...wanted.map(([name, more]) => h('span', null, name, h('small', null, more))));
}

// What was said once stays as it is: an entry is drawn again only when its words changed, and an open one stays open.
function update(li, item, clock) {
  const sign = [item.kind, item.label, item.note, item.tone, item.word, item.text, item.icon].join('|');
  if (li.dataset.sign === sign) return;
  li.dataset.sign = sign;
  const open = li.querySelector('details')?.open;
  li.className = item.kind === 'fact' ? `fact t-${item.tone}` : item.kind === 'gap' ? 'gap' : item.kind === 'now' ? 'gap now' : '';
  if (item.kind === 'fact') li.replaceChildren(h('span', null, icon(item.icon), item.word));
  else if (item.kind === 'gap') li.replaceChildren(h('span', null, icon(item.icon), item.text));
  else if (item.kind === 'now') li.replaceChildren(h('span', null, t('reservation.now'), ' ', clock));
  else li.replaceChildren(message(item, open));
}

function message(item, open) {
  const way = t('reservation.fromTo', { from: t(`reservation.${item.from}`), to: t(`reservation.${item.to}`) });
  const lane = LANES[item.from] ?? LANES[item.to];
  const classes = ['arrow', lane, item.from === 'station' ? 'l' : 'r', item.reply && 'reply', item.tone && `t-${item.tone}`].filter(Boolean).join(' ');
  const name = h('b', { class: item.tone ? 'tone' : null }, breakable(item.label), item.note && [' ', h('small', null, item.note)]);
  const box = h('details', { open, on: { toggle: () => unfold(box, item, way) } },
    h('summary', null, stamp(item), h('span', { class: classes }, name), h('span', { class: 'sr' }, way)));
  if (open) unfold(box, item, way);
  return box;
}

// A long action name may break before an inner capital.
function breakable(label) {
  return String(label).split(/(?<=[a-z])(?=[A-Z])/).flatMap((part, index) => (index ? [h('wbr'), part] : [part]));
}

function stamp({ iso }) {
  return h('time', { datetime: iso }, h('span', { class: 'fine' }, time(iso, { ms: true })), h('span', { class: 'coarse' }, time(iso, { seconds: true })));
}

function unfold(box, item, way) {
  if (box.querySelector('.frame')) return;
  const values = { label: item.label, at: time(item.iso, { seconds: true }) };
  const copy = h('button', { class: 'btn slim plain', type: 'button', aria: { label: t('reservation.copyOf', values) }, on: { click: () => copyText(jsonText(item.json)) } }, icon('copy'), t('words.copy'));
  box.append(h('div', { class: 'frame' }, h('header', null, h('span', null, way), h('span', null, item.head), copy), jsonView(item.json, t('reservation.jsonOf', values))));
}

/** Puts the text on the clipboard, where the browser lets the page, and says so. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast(t('words.copied'), '', { tone: 'free' });
  } catch {
    toast(t('reservation.copyFailed'), '', { tone: 'doubt' });
  }
}
