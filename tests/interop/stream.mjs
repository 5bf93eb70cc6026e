// Follows the stream at argv[2] with the key argv[3] by eventsource until the event argv[4], however often the connection
// breaks: the library reconnects by itself. Prints the id of each event in a line.

import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
let EventSource;
try {
  ({ EventSource } = require("eventsource"));
} catch (error) {
  if (error.code === "MODULE_NOT_FOUND") process.exit(77);
  throw error;
}

const [url, key, until] = process.argv.slice(2);
const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${key}` } }),
});
const types = process.env.EVENT_TYPES.split(",");
let over = false;
const seen = (event) => {
  // What was read together with the last one is still told.
  if (over) return;
  console.log(event.lastEventId);
  over = event.lastEventId === until;
  if (over) source.close();
};
for (const type of types) source.addEventListener(type, seen);
source.addEventListener("error", (error) => {
  if (error.code) throw new Error(`${error.code} ${error.message}`);
});
