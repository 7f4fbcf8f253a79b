// Server-sent events over fetch: unlike EventSource it can be asked again at will, and says why it was refused.
import { ApiError } from './api.js';
import { learn } from './clock.js';

const SILENCE_MS = 45_000;

/** Yields null when the stream has begun, then {name, id, data}; ends with the stream. Throws ApiError, or when it was silent too long. */
export async function* events(url, { lastId, signal } = {}) {
  const own = new AbortController();
  const stop = () => own.abort();
  if (signal?.aborted) return;
  signal?.addEventListener('abort', stop, { once: true });
  let watch = setTimeout(stop, SILENCE_MS);
  try {
    const sent = performance.now();
    const answer = await fetch(url, { headers: { Accept: 'text/event-stream', ...(lastId ? { 'Last-Event-ID': lastId } : {}) }, signal: own.signal, cache: 'no-store' });
    if (answer.headers.get('Date')) learn(answer.headers.get('Date'), sent, performance.now());
    if (!answer.ok) throw new ApiError(answer.status, await answer.json().catch(() => ({})));
    yield null;
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watch);
      watch = setTimeout(stop, SILENCE_MS);
      const blocks = (text + value).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        const told = parsed(block);
        if (told) yield told;
      }
    }
  } finally {
    clearTimeout(watch);
    signal?.removeEventListener('abort', stop);
    own.abort();
  }
}

function parsed(block) {
  const fields = {};
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, '');
  }
  return fields.data ? { name: fields.event ?? 'message', id: fields.id, data: JSON.parse(fields.data) } : null;
}
