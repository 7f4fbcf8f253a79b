// The REST API with the session's cookie. One place that knows errors, the clock and the way to the next page.
import { learn } from './clock.js';

const BASE = '/api/v1';

/** What requests need of the session; `lost` is called when it has ended. */
export const auth = { csrf: null, lost: () => {} };

/** The server said no (status, type, detail, body: the problem), or could not be reached (status 0, type `unreachable`). */
export class ApiError extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.type = String(body.type ?? '').split('/').pop();
    this.title = body.title ?? '';
    this.detail = body.detail ?? '';
    this.body = body;
  }
}

/** One request; the answer as {status, headers, body}. `address` outside the API begins with `//`, as in `//session`. */
export async function request(method, address, { body, headers = {}, signal, base = BASE } = {}) {
  const outside = address.startsWith('//');
  const safe = method === 'GET' || method === 'HEAD';
  const sent = performance.now();
  let answer;
  try {
    answer = await fetch(outside ? address.slice(1) : base + address, {
      method,
      signal,
      headers: {
        Accept: 'application/json',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(safe || !auth.csrf ? {} : { 'X-CSRF-Token': auth.csrf }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(0, { type: 'unreachable', title: 'unreachable' });
  }
  const stamp = answer.headers.get('Date');
  if (stamp) learn(stamp, sent, performance.now());
  const parsed = await parse(answer);
  if (answer.ok) return { status: answer.status, headers: answer.headers, body: parsed };
  if (answer.status === 401 && !outside) auth.lost();
  if (answer.status === 403 && !outside && String(parsed?.type).endsWith('/csrf-token-missing') && (await anew())) {
    return request(method, address, { body, headers, signal, base });
  }
  throw new ApiError(answer.status, typeof parsed === 'object' && parsed ? parsed : {});
}

// Somebody signed in anew in another window of this browser: the cookie is another one now, and so is its token.
async function anew() {
  const before = auth.csrf;
  const known = await request('GET', '//session').catch(() => null);
  auth.csrf = known?.body.csrf ?? null;
  return auth.csrf !== null && auth.csrf !== before;
}

async function parse(answer) {
  const text = await answer.text().catch((error) => {
    // Who left the page while the answer came wants none of it; half an answer is none.
    throw error.name === 'AbortError' ? error : new ApiError(0, { type: 'unreachable', title: 'unreachable' });
  });
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The JSON at the address. */
export const get = async (path, options) => (await request('GET', path, options)).body;

/** The JSON that the server answers. */
export const post = async (path, body, headers, options) => (await request('POST', path, { body, headers, ...options })).body;

/** The JSON that the server answers. */
export const put = async (path, body, headers, options) => (await request('PUT', path, { body, headers, ...options })).body;

/** The JSON that the server answers. */
export const patch = async (path, body, headers, options) => (await request('PATCH', path, { body, headers, ...options })).body;

/** The JSON that the server answers, or null. */
export const del = async (path, headers, options) => (await request('DELETE', path, { headers, ...options })).body;

/** All pages of a list, at most `pages` of them. */
export async function list(path, { pages = 1000, ...options } = {}) {
  const all = [];
  let next = path;
  for (let page = 0; next && page < pages; page += 1) {
    const answer = await request('GET', next, options);
    all.push(...answer.body);
    next = nextOf(answer.headers);
  }
  return all;
}

/** The path of the next page that an answer's Link header names, or null. */
export function nextOf(headers) {
  const found = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headers.get('Link') ?? '');
  if (!found) return null;
  const url = new URL(found[1], location.origin + BASE + '/');
  return (url.pathname + url.search).replace(BASE, '');
}

/** `?a=1&b=2` of what is not empty; arrays become lists with commas. */
export function query(values) {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    const text = Array.isArray(value) ? value.join(',') : value;
    if (text !== null && text !== undefined && text !== '') made.set(name, String(text));
  }
  const text = made.toString();
  return text ? `?${text}` : '';
}
