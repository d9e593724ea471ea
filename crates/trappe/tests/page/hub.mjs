// A real hub, and who talks to it beside the page: bare sockets, netcat, and a relay that can be cut.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import net from "node:net";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

import { Lines, until, Wrong } from "./wait.mjs";

const LOOPBACK = "127.0.0.1";

/** Where cargo builds, and `cargo xtask test` installs: for a scenario that is run by hand. */
export const TARGET = fileURLToPath(new URL("../../../../target/", import.meta.url));

/** The binary under test. */
const TRAPPE = process.env.TRAPPE ?? join(TARGET, "debug/trappe");

/** Where a command lies on the search path, or null. */
export function command(name) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return folders.map((folder) => join(folder, name)).find((file) => existsSync(file)) ?? null;
}

/** A running `trappe server`. */
export class Hub {
  #arguments;
  #child;
  /** Its port, which stays the same when it is started again. */
  port = 0;
  /** @type {Lines} */
  console;
  /** @type {Lines} */
  log;

  /** Starts one on a port of the system's choice. */
  static async start(...args) {
    const hub = new Hub();
    hub.#arguments = args;
    await hub.restart();
    return hub;
  }

  /** Where a browser finds it. */
  get url() {
    return `http://${LOOPBACK}:${this.port}`;
  }

  /** Starts it again, on the port that it had. */
  async restart() {
    const { TRAPPE_LANG: _, ...env } = process.env;
    const words = ["server", "--port", String(this.port), ...this.#arguments];
    this.#child = spawn(TRAPPE, words, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.console = new Lines(this.#child.stdout);
    this.log = new Lines(this.#child.stderr);
    // What it says of its end comes on the other one, perhaps later.
    this.log.on("changed", () => this.console.emit("changed"));
    const told = () => {
      // The first line is the sentence, the second says where.
      const digits = /:(\d+)\D*$/.exec(this.console.all[1] ?? "");
      if (!digits && this.console.ended && this.log.ended) {
        throw new Wrong(`the hub ended: ${this.log.all.join(" ")}`);
      }
      return digits ? Number(digits[1]) : undefined;
    };
    this.port = await until(this.console, told, () => "the hub told no port");
  }

  /** Ends it as a power cut would: nobody is told anything. */
  async kill() {
    await this.#end("SIGKILL");
  }

  /** Lets it say goodbye. */
  async stop() {
    await this.#end("SIGTERM");
  }

  async #end(signal) {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, "exit");
    this.#child.kill(signal);
    await ended;
  }

  /** Ends it at once, where nothing can be waited for. */
  drop() {
    this.#child?.kill("SIGKILL");
  }
}

/** Somebody at the other end of a byte stream: what it says goes out as it is, what it hears comes as lines. */
class Talker {
  /** @type {import("node:stream").Writable} */
  out;
  /** @type {Lines} */
  heard;
  #asked = 0;

  /** Writes bytes as they are, whatever they are. */
  send(bytes) {
    this.out.write(bytes);
  }

  /** Writes one line. */
  say(text) {
    this.send(`${text}\n`);
  }

  /** Says a command, and waits until all that answers it has come: replies come in order. */
  async ask(words) {
    const mark = `mark-${(this.#asked += 1)}`;
    this.send(`${words}\n/ping ${mark}\n`);
    await this.heard.line(`* pong ${mark}`);
  }

  /** Waits for a line that holds `wanted`, or that it accepts. */
  line(wanted) {
    return this.heard.line(wanted);
  }
}

/** A member with a bare socket. */
export class Member extends Talker {
  /** Connects, and says nothing. */
  static async connect(hub) {
    const member = new Member();
    const socket = net.connect({ port: hub.port, host: LOOPBACK, noDelay: true });
    member.socket = socket;
    member.out = socket;
    member.heard = new Lines(socket);
    await once(socket, "connect");
    return member;
  }

  /** Connects, and returns once it has its name. */
  static async named(hub, name) {
    const member = await Member.connect(hub);
    await member.ask(`/nick ${name}`);
    return member;
  }

  /** Reads no more: what it is sent stays where it is. */
  deaf() {
    this.socket.pause();
  }

  /** Ends what it says, in the good way: the hub's answer ends it. */
  end() {
    this.socket.end();
  }

  drop() {
    this.socket.destroy();
  }
}

/** The netcat of OpenBSD, which on Debian has that name beside `nc`. */
export class Netcat extends Talker {
  #child;

  /** Starts one that talks to `hub`; it speaks and hears as it would for a person. */
  static start(hub) {
    const program = command("nc.openbsd") ?? command("nc");
    if (!program) throw new Wrong("there is no nc: apt-get install netcat-openbsd");
    const netcat = new Netcat();
    const child = spawn(program, [LOOPBACK, String(hub.port)], { stdio: ["pipe", "pipe", "ignore"] });
    netcat.#child = child;
    netcat.out = child.stdin;
    netcat.heard = new Lines(child.stdout);
    // It may have ended by itself before what is written to it.
    child.stdin.on("error", () => {});
    return netcat;
  }

  drop() {
    this.#child.kill("SIGKILL");
  }
}

/** Passes connections on to a hub, and can cut them all: a network that failed for a moment. */
export class Relay {
  #server;
  /** @type {Set<net.Socket>} */
  #open = new Set();
  port = 0;

  static async to(hub) {
    const relay = new Relay();
    relay.#server = net.createServer((near) => {
      const far = net.connect(hub.port, LOOPBACK);
      for (const [from, into] of [[near, far], [far, near]]) {
        relay.#open.add(from);
        from.on("close", () => (relay.#open.delete(from), into.destroy()));
        // One that was cut gives an error, which is what a cut is.
        from.on("error", () => {});
        from.pipe(into);
      }
    });
    relay.#server.listen(0, LOOPBACK);
    await once(relay.#server, "listening");
    relay.port = relay.#server.address().port;
    return relay;
  }

  get url() {
    return `http://${LOOPBACK}:${this.port}`;
  }

  /** Ends every connection that there is; later ones are passed on again. */
  cut() {
    for (const socket of this.#open) socket.resetAndDestroy();
  }

  drop() {
    this.#server.close();
    this.cut();
  }
}
