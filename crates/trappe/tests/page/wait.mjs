// How these tests wait: for something that happens, with an end to their patience, and never for a time to pass.

import { EventEmitter, once } from "node:events";
import { StringDecoder } from "node:string_decoder";

/** How long a test waits for an effect before it fails, in ms. Generous: it is only ever used up by a failure. */
export const PATIENCE = 15_000;

/** Something that a scenario found wrong; its message is the one line that a person reads. */
export class Wrong extends Error {}

/**
 * Waits until `found` gives something other than undefined, asking again at each "changed" of `emitter`.
 * @template T
 * @param {EventEmitter} emitter
 * @param {() => T | undefined} found
 * @param {() => string} why what is wrong if it never does
 * @returns {Promise<T>}
 */
export async function until(emitter, found, why) {
  const signal = AbortSignal.timeout(PATIENCE);
  for (;;) {
    const it = found();
    if (it !== undefined) return it;
    try {
      await once(emitter, "changed", { signal });
    } catch (error) {
      throw signal.aborted ? new Wrong(why()) : error;
    }
  }
}

/** The lines of a stream, as far as they have come. */
export class Lines extends EventEmitter {
  /** @type {string[]} */
  all = [];
  ended = false;

  /** @param {import("node:stream").Readable} stream */
  constructor(stream) {
    super();
    const decoder = new StringDecoder("utf8");
    let rest = "";
    stream.on("data", (bytes) => {
      const parts = (rest + decoder.write(bytes)).split("\n");
      rest = parts.pop() ?? "";
      this.all.push(...parts);
      this.emit("changed");
    });
    const end = () => {
      this.ended = true;
      this.emit("changed");
    };
    stream.on("end", end).on("close", end);
    // A connection that is reset has ended too: whoever waits for a line of it says so.
    stream.on("error", end);
  }

  /**
   * Waits for a line that holds `wanted`, or that it accepts, beginning with line number `from`; gives that line.
   * @param {string | ((line: string) => boolean)} wanted
   */
  async line(wanted, from = 0) {
    const accepts = typeof wanted === "string" ? (line) => line.includes(wanted) : wanted;
    const came = () => JSON.stringify(this.all.slice(-20));
    return until(
      this,
      () => {
        const line = this.all.slice(from).find(accepts);
        if (line === undefined && this.ended) {
          throw new Wrong(`the stream ended without ${wanted}; its last lines: ${came()}`);
        }
        return line;
      },
      () => `${wanted} never came; the last lines: ${came()}`,
    );
  }
}
