// Times, numbers and tokens for people: by the reader's language and time zone, counted by the server's clock.
import { now } from './clock.js';
import { t } from './text.js';

const made = new Map();

function dates(options) {
  const key = JSON.stringify(options);
  if (!made.has(key)) made.set(key, new Intl.DateTimeFormat(undefined, options));
  return made.get(key);
}

const CLOCK = { hour: 'numeric', minute: '2-digit' };
const msOf = (at) => (typeof at === 'string' ? Date.parse(at) : +at);

/** 14:37, or 2:37 PM; with `seconds` or `ms` finer. Takes ISO text or milliseconds, as all here do. */
export function time(at, { seconds = false, ms = false } = {}) {
  if (at == null) return '';
  return dates({ ...CLOCK, ...(seconds || ms ? { second: '2-digit' } : {}), ...(ms ? { fractionalSecondDigits: 3 } : {}) }).format(msOf(at));
}

/** The day and the time. */
export function dateTime(at) {
  return at == null ? '' : dates({ day: 'numeric', month: 'short', year: sameYear(at) ? undefined : 'numeric', ...CLOCK }).format(msOf(at));
}

/** The day alone. */
export function day(at) {
  return at == null ? '' : dates({ weekday: 'short', day: 'numeric', month: 'short', year: sameYear(at) ? undefined : 'numeric' }).format(msOf(at));
}

/** The time when it is today, otherwise the day too. */
export function when(at) {
  return at == null ? '' : isToday(at) ? time(at) : dateTime(at);
}

/** Whether it is today where the reader is. */
export function isToday(at) {
  return new Date(msOf(at)).toDateString() === new Date(now()).toDateString();
}

function sameYear(at) {
  return new Date(msOf(at)).getFullYear() === new Date(now()).getFullYear();
}

const two = (n) => String(n).padStart(2, '0');

/** 4:05 or 1:04:05, from two days on 2 d 3 h; never below nought. */
export function countdown(ms) {
  const s = Math.max(0, Math.ceil(ms / 1000));
  if (s >= 48 * 3600) return duration(ms);
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

/** 0.8 s, 12 s, 45 min, 1 h 20 min, 3 d 4 h. */
export function duration(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 10) return t('words.seconds', { n: number(s, s < 1 ? 2 : 1) });
  if (s < 90) return t('words.seconds', { n: number(s, 0) });
  const minutes = Math.round(s / 60);
  if (minutes < 60) return t('words.minutes', { n: number(minutes) });
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return [t('words.hours', { n: number(hours) }), minutes % 60 ? t('words.minutes', { n: minutes % 60 }) : ''].filter(Boolean).join(' ');
  return [t('words.days', { n: number(Math.floor(hours / 24)) }), hours % 24 ? t('words.hours', { n: hours % 24 }) : ''].filter(Boolean).join(' ');
}

/** 27 min ago, in 4 min, just now. */
export function relative(at) {
  if (at == null) return '';
  const ms = msOf(at) - now();
  if (Math.abs(ms) < 5000) return t('words.justNow');
  const whole = Math.abs(ms) < 90_000 ? Math.round(Math.abs(ms) / 1000) * 1000 : Math.abs(ms);
  const span = whole < 10_000 ? t('words.seconds', { n: whole / 1000 }) : duration(whole);
  return t(ms < 0 ? 'words.ago' : 'words.ahead', { span });
}

const numbers = new Map();

/** A number with the reader's signs; null is a dash. */
export function number(n, digits) {
  if (n == null) return '–';
  if (!numbers.has(digits)) numbers.set(digits, new Intl.NumberFormat(undefined, digits == null ? { maximumFractionDigits: 2 } : { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  return numbers.get(digits).format(n);
}

/** 96.2 % of a number from 0 to 100; null is a dash. */
export function percent(n) {
  if (n == null) return '–';
  if (!numbers.has('%')) numbers.set('%', new Intl.NumberFormat(undefined, { style: 'percent', maximumFractionDigits: 1 }));
  return numbers.get('%').format(n / 100);
}

/** A token's last four characters; nothing of one that has no more. Takes the text or an IdToken. */
export function mask(token) {
  const text = typeof token === 'string' ? token : (token?.idToken ?? '');
  return text.length > 4 ? `•• ${text.slice(-4)}` : text ? '••' : '–';
}

const NAMES = { cCCS1: 'CCS1', cCCS2: 'CCS2', cG105: 'CHAdeMO', cTesla: 'Tesla', cType1: 'Type 1', cType2: 'Type 2', sType2: 'Type 2 socket', sType3: 'Type 3 socket' };

/** A connector type as it is printed on stations. */
export function connectorName(type) {
  return type == null ? t('words.typeUnknown') : (NAMES[type] ?? (/^[a-z][A-Z]/.test(type) ? type.slice(1) : type));
}
