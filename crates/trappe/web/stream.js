// @ts-check
// Server-Sent Events read with fetch, which unlike EventSource says why it was refused. No DOM.

/** Longer than any event can be; a stream that goes on without ending one isn't ours. */
const EVENT_CHARS_MAX = 8_000_000;

/**
 * The events of a stream, each an object, several that came in one piece together.
 * @param {string} url @param {AbortSignal} signal
 * @throws {{code: string, text: string}} why it is refused
 */
export async function* events(url, signal) {
  const response = await fetch(url, { signal, headers: { accept: "text/event-stream" }, cache: "no-store" });
  if (!response.ok || !response.body) {
    const answer = await response.json().catch(() => ({}));
    throw { code: answer.code ?? String(response.status), text: answer.text ?? "" };
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const from = Math.max(0, rest.length - 1);
    rest += value;
    const end = rest.lastIndexOf("\n\n");
    if (end < from && rest.length > EVENT_CHARS_MAX) throw { code: "too-long", text: "" };
    if (end < 0) continue;
    yield parse(rest.slice(0, end));
    rest = rest.slice(end + 2);
  }
}

/** @param {string} text @returns {any[]} */
export const parse = (text) =>
  text
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => JSON.parse(line.slice(5)));
