// For the tests under Node before 22, which has no WebSocket: that of the package `ws`, found by NODE_PATH.
import { createRequire } from "node:module";

globalThis.WebSocket ??= createRequire(import.meta.url)("ws").WebSocket;
