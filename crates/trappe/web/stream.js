// @ts-check
// Server-Sent Events read with fetch, which unlike EventSource knows why it was refused.

/** No event is longer. */
const CHARS_MAX = 8_000_000;

/**
 * What a stream says, some events at a time. @param {string} url @param {AbortSignal} signal
 * @throws {{code: string, text: string}} why it is refused
 */
export async function* events(url, signal) {
  const response = await fetch(url, { signal, headers: { accept: "text/event-stream" } });
  if (!response.ok || !response.body) throw await response.json();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const end = rest.lastIndexOf("\n\n") + 1;
    if (end) yield rest.slice(0, end).split("\n").filter((line) => line.startsWith("data:")).map((line) => JSON.parse(line.slice(5)));
    rest = rest.slice(end);
    if (rest.length > CHARS_MAX) throw { code: "too-long" };
  }
}
