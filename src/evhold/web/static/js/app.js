// The page as a whole: who is signed in, which address shows which page.
import { ApiError, auth, request } from './api.js';
import { clear, fill, h } from './dom.js';
import * as live from './live.js';
import { buildShell, showNav } from './shell.js';
import * as store from './store.js';
import { t } from './text.js';

const ROUTES = [
  [/^\/$/, 'stations', () => import('./pages/board.js')],
  [/^\/reservations$/, 'reservations', () => import('./pages/reservations.js')],
  [/^\/reservations\/(?<id>\d+)$/, 'reservations', () => import('./pages/reservation.js')],
  [/^\/timeline$/, 'timeline', () => import('./pages/timeline.js')],
  [/^\/figures$/, 'figures', () => import('./pages/figures.js')],
  [/^\/stations\/(?<id>[^/]+)$/, 'stations', () => import('./pages/station.js')],
  [/^\/tokens$/, 'tokens', () => import('./pages/tokens.js')],
  [/^\/webhooks$/, 'webhooks', () => import('./pages/webhooks.js')],
];

let shown = new AbortController();
let shownAt = '';
const main = buildShell({ signOut });

/** Goes to an address of the page; `replace` leaves no step back. */
export function navigate(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, '', address);
  else if (address !== location.pathname + location.search) history.pushState(null, '', address);
  show();
}

async function show({ focus = true } = {}) {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  shownAt = location.pathname + location.search;
  for (const open of document.querySelectorAll('dialog[open]')) open.close();
  const [, place, load, params] = routeOf(location.pathname);
  showNav(place, store.session);
  const root = h('div', { class: 'page' });
  try {
    const page = await load();
    if (signal.aborted) return;
    document.title = `${page.title(params)} · evhold`;
    fill(main, root);
    if (focus) toStart();
    await page.show(root, params, { signal, navigate });
  } catch (error) {
    if (signal.aborted || error.name === 'AbortError') return;
    if (error instanceof ApiError && error.status === 401) return;
    reportError(error);
    fill(main, failed(error));
  }
}

function routeOf(path) {
  for (const [pattern, place, load] of ROUTES) {
    const found = pattern.exec(path);
    if (found) return [pattern, place, load, { ...mapped(found.groups), query: new URLSearchParams(location.search) }];
  }
  return [null, null, async () => notFound, {}];
}

function mapped(groups) {
  return Object.fromEntries(Object.entries(groups ?? {}).map(([name, value]) => [name, decoded(value)]));
}

function decoded(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const notFound = {
  title: () => t('shell.notFoundHead'),
  show: (root) =>
    root.append(h('section', { class: 'panel empty' }, h('h1', null, t('shell.notFoundHead')), h('p', null, t('shell.notFoundText')), h('a', { class: 'btn main', href: '/' }, t('shell.toStations')))),
};

function failed(error) {
  return h('section', { class: 'panel empty', role: 'alert' },
    h('h1', null, t('shell.failedHead')),
    h('p', null, error instanceof ApiError && error.status ? error.message : t(error instanceof ApiError ? 'shell.unreachable' : 'shell.failedText')),
    h('button', { class: 'btn main', type: 'button', on: { click: () => again(error) } }, t('shell.again')));
}

// A module that once failed to load is not asked for again by every browser, until the document is loaded anew.
function again(error) {
  if (error instanceof ApiError) return show();
  return fetch(location.href).then(() => location.reload(), () => show());
}

// A reader who follows a link begins at the top, and a screen reader at the new content.
function toStart() {
  scrollTo(0, 0);
  document.getElementById('main').focus({ preventScroll: true });
}

// Links of the page change the address without loading all anew; others are the browser's.
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const a = event.target.closest?.('a[href]');
  // A fragment is the browser's, such as that of the link that skips to the content.
  if (!a || a.hash || a.target || a.hasAttribute('download') || a.origin !== location.origin || !routeOf(a.pathname)[0]) return;
  event.preventDefault();
  navigate(a.pathname + a.search);
});
addEventListener('popstate', () => store.session && shownAt !== location.pathname + location.search && show());

const SIGNED_IN = 'signedIn';

function remember(yes) {
  try {
    if (yes) localStorage.setItem(SIGNED_IN, '1');
    else localStorage.removeItem(SIGNED_IN);
  } catch {
    // No storage: the session is asked for at each start.
  }
}

function mayBeSignedIn() {
  try {
    return localStorage.getItem(SIGNED_IN) !== null;
  } catch {
    return true;
  }
}

function enter(who) {
  auth.csrf = who.csrf;
  remember(true);
  store.signIn(who);
  live.start();
  show({ focus: false });
}

// A server that can't be reached has ended no session: the next start asks for it again.
async function leave(why = '', { ended = true } = {}) {
  shown.abort();
  live.stop();
  auth.csrf = null;
  if (ended) remember(false);
  store.signIn(null);
  showNav(null, null);
  clear(main);
  const { showSignIn } = await import('./pages/signin.js');
  document.title = `${t('shell.signInHead')} · evhold`;
  fill(main, showSignIn({ why, signIn }));
}

async function signIn(key) {
  enter((await request('POST', '//session', { body: { key } })).body);
}

async function signOut() {
  await request('DELETE', '//session').catch(() => {});
  leave();
}

auth.lost = () => store.session && leave(t('shell.sessionEnded'));

async function begin() {
  const given = new URLSearchParams(location.hash.slice(1)).get('key');
  if (given) {
    // The key leaves the address before anything else: addresses are kept, shown and sent on.
    history.replaceState(null, '', location.pathname + location.search);
    remember(true);
    return signIn(given).catch((error) => leave(t(error.status === 401 ? 'shell.wrongKey' : 'shell.unreachable'), { ended: error.status === 401 }));
  }
  if (!mayBeSignedIn()) return leave();
  return request('GET', '//session').then(({ body }) => enter(body), (error) => leave(error.status === 401 ? '' : t('shell.unreachable'), { ended: error.status === 401 }));
}

addEventListener('hashchange', () => location.hash.startsWith('#key=') && begin());
begin();
