// Server-sent events over fetch, as EventSource can't send the key. Yields null when the stream has begun.

export async function* eventsOf(url, key) {
  const answer = await fetch(url, { headers: { Authorization: `Bearer ${key}`, Accept: "text/event-stream" } });
  if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { status: answer.status });
  yield null;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const told = parsed(block);
      if (told) yield told;
    }
  }
}

function parsed(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, "");
  }
  return fields.data ? { name: fields.event ?? "message", id: fields.id, data: JSON.parse(fields.data) } : null;
}
