// A stream of Server-Sent Events, read with fetch: EventSource can send no token.

// Yields {type, data} for each event of a body, and tells `seen` of ids.
async function* parse(body, seen) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '', type = '', data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return; // an event that was cut off is none
    const lines = (text + value).split('\n'); // our server ends its lines so
    text = lines.pop();
    for (const line of lines) {
      const [, name, rest] = /^([^:]*):? ?(.*)$/.exec(line);
      if (name === 'event') type = rest;
      else if (name === 'data') data.push(rest);
      else if (name === 'id') seen(rest);
      if (line !== '') continue;
      if (data.length > 0) yield { type, data: JSON.parse(data.join('\n')) };
      type = '';
      data = [];
    }
  }
}

const pause = (ms, signal) => new Promise((resume) => {
  const timer = setTimeout(resume, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); resume(); }, { once: true });
});

// Yields the events of what `open({headers, signal})` answers with, and connects again whenever that ends, going on from
// the last event, until the signal is given. What went wrong comes as {type: 'trouble', data: Error}.
export async function* eventsOf(open, signal) {
  let last;
  while (!signal.aborted) {
    try {
      const response = await open({ headers: last ? { 'Last-Event-ID': last } : {}, signal });
      if (response.status === 204) return;
      yield* parse(response.body, (id) => { last = id; });
    } catch (problem) {
      if (signal.aborted) return;
      yield { type: 'trouble', data: problem };
    }
    await pause(1000, signal);
  }
}
