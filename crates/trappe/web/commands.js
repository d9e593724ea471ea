// What a line of the composer means. Pure.

const COMMAND = /^\/([a-z][a-z0-9-]*)(?: ([^]*)|$)/i;

/** The hub can't know which of several rooms a command means: those of "this room" go as ops. `refused` would break this page. */
export function meaning(text, room) {
	if (text.startsWith("//") && COMMAND.test(text.slice(1))) return { say: text.slice(1) };
	const match = COMMAND.exec(text);
	if (!match) return { say: text };
	const word = match[1].toLowerCase();
	const rest = match[2]?.trim() ?? "";
	// How the hub writes: the page would no longer understand it.
	if (/^(format|framing|echo)$/.test(word)) return { refused: word };
	if (word === "me" && rest) return { say: `* ${rest}` };
	const [, to, say] = (/^(msg|mp)$/.test(word) && /^(\S+) ([^]+)$/.exec(rest)) || [];
	if (to) return { to, say };
	if (room) {
		if (/^(who|qui)$/.test(word) && !rest) return { op: { op: "who", room } };
		if (/^(leave|sortir)$/.test(word) && !rest) return { op: { op: "leave", room } };
		if (/^(history|historique)$/.test(word) && /^([1-9]\d{0,5})?$/.test(rest)) return { op: { op: "history", room, n: +rest || 10 } };
		if (word === "get") return { op: { op: "get", room, key: rest || undefined } };
		const [, key, v, value] = (word === "set" && /^([^\s#]+)(?:#(\d+))? ([^]*)/.exec(match[2])) || [];
		if (key) return { op: { op: "set", room, key, v: v && +v, text: value } };
		if (/^(resume|reprendre)$/.test(word) && rest) return { op: { op: "resume", room, after: rest } };
	}
	return { raw: text };
}
