// What stands around every page: the bar with its links, the connection, the clock, who is signed in.
import { everySecond, now } from './clock.js';
import { fill, h, say, svg } from './dom.js';
import { time } from './format.js';
import { icon } from './icons.js';
import { tryNow } from './live.js';
import * as store from './store.js';
import { t } from './text.js';
import { themeButton } from './theme-button.js';
import { toast } from './toast.js';

const PLACES = [
  ['stations', '/', 'stations'],
  ['reservations', '/reservations', 'held'],
  ['timeline', '/timeline', 'timeline'],
  ['figures', '/figures', 'figures'],
  ['tokens', '/tokens', 'tokens'],
  ['webhooks', '/webhooks', 'webhooks'],
];
const NOT_FOR_DRIVERS = new Set(['timeline', 'figures', 'tokens']);
const FOR_OPERATORS = new Set(['webhooks']);
const PATIENCE_MS = 1500;

const nav = h('nav', { class: 'nav', aria: { label: t('shell.pages') } });
const state = h('b');
const hands = h('time');
const link = h('p', { class: 'live', id: 'link' });
const banner = h('div', { class: 'banner t-doubt', role: 'status', hidden: true });
const trying = h('span', { class: 'num' });
const who = h('p', { class: 'who' });
const out = h('button', { class: 'btn plain', type: 'button', aria: { label: t('shell.signOut') } }, icon('out'), h('span', null, t('shell.signOut')));
const main = h('main', { id: 'main', tabindex: '-1' });
const content = h('div');

/** Builds the shell into the document; returns the element that pages fill. */
export function buildShell({ signOut }) {
  out.addEventListener('click', signOut);
  const theme = themeButton();
  const brand = h('a', { class: 'brand', href: '/' }, mark(), 'evhold');
  const end = h('div', { class: 'bar-end' }, link, who, theme, out);
  main.append(banner, content);
  document.body.prepend(h('a', { class: 'skip', href: '#main' }, t('shell.skip')), h('header', { class: 'bar' }, brand, nav, end), main);
  document.body.append(h('div', { class: 'toasts', role: 'status', aria: { live: 'polite' } }));
  fillBanner();
  store.on('link', showLink);
  everySecond(tick);
  tick(now());
  return content;
}

/** The mark of evhold: a bookmark with a bolt. */
export function mark(size = 20) {
  return svg('svg', { width: size, height: size, viewBox: '0 0 16 16', 'aria-hidden': 'true' },
    svg('path', { d: 'M3.5 1h9A1.5 1.5 0 0 1 14 2.5V15.5l-6-3.6-6 3.6V2.5A1.5 1.5 0 0 1 3.5 1z', fill: 'currentColor' }),
    svg('path', { d: 'M9 2.8 5 7.8h2.6L7 11l4-5H8.4z', fill: 'var(--surface)' }));
}

/** Shows where the reader is, and only what their key may see. */
export function showNav(place, session) {
  document.body.classList.toggle('bare', !session);
  nav.hidden = !session;
  link.hidden = !session;
  out.hidden = !session;
  who.hidden = !session;
  banner.hidden = true;
  if (!session) return;
  const may = (name) => (FOR_OPERATORS.has(name) ? store.canOperate() : session.role !== 'driver' || !NOT_FOR_DRIVERS.has(name));
  const seen = PLACES.filter(([name]) => may(name));
  fill(nav, seen.map(([name, href, shape]) => h('a', { href, aria: { current: name === place ? 'page' : null } }, icon(shape), t(`shell.${name}`))));
  fill(who, h('span', { class: 'sr' }, t('shell.signedInAs', session)), h('span', { aria: { hidden: 'true' }, title: session.name }, session.role));
  showLink();
}

let wasLost = false;

function showLink() {
  const { state: told } = store.link;
  const words = { live: 'shell.live', connecting: 'shell.connecting', lost: 'shell.reconnecting' };
  link.className = `live ${told === 'live' ? '' : 't-doubt'}`;
  fill(link, icon(told === 'live' ? 'live' : told === 'lost' ? 'offline' : 'pending'), h('span', null, state, ' ', hands));
  say(state, t(words[told]));
  if (told === 'live') {
    if (wasLost) toast(t('shell.back'), '', { tone: 'free' });
    wasLost = false;
    banner.hidden = true;
  }
}

const since = h('b');

function fillBanner() {
  fill(banner, icon('offline'), h('p', null, since, ' ', t('shell.lostText'), trying), h('span', { class: 'acts' }, h('button', { class: 'btn slim', type: 'button', on: { click: tryNow } }, t('shell.tryNow'))));
}

// A blink is not worth a banner; the word in the bar says it at once.
function tick(at) {
  say(hands, time(at, { seconds: true }));
  hands.dateTime = new Date(at).toISOString().slice(0, 19) + 'Z';
  if (!store.session || store.link.state !== 'lost' || at - store.link.since < PATIENCE_MS) return;
  if (banner.hidden) {
    wasLost = true;
    say(since, t('shell.lostSince', { time: time(store.link.since, { seconds: true }) }));
    banner.hidden = false;
  }
  say(trying, t('shell.nextTry', { n: Math.max(0, Math.ceil((store.link.next - at) / 1000)) }));
}

