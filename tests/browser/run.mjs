// The console in headless Chromium: each page and each action, against a running demo.
//
// Told by the environment: BASE (the service), KEY (an admin key), CONTROL (the simulator's control address), SHOTS (where
// screenshots go), CHROMIUM (the program). Prints one line for each thing that holds; the first that does not ends it.

import { mkdirSync } from "node:fs";
import { actions } from "./actions.mjs";
import { accessible, keyboard, phone, withoutScript } from "./looks.mjs";
import { receiver } from "./receiver.mjs";
import { closed, holds } from "./window.mjs";

const { BASE, KEY, CONTROL, SHOTS } = process.env;
mkdirSync(SHOTS, { recursive: true });

const failing = await receiver();
try {
  const begun = Date.now();
  const place = { base: BASE, key: KEY, control: CONTROL, shots: SHOTS, failing };
  const pages = await actions(place);
  await keyboard(place);
  await withoutScript(place, pages);
  await phone(place, pages);
  await accessible(place, pages);
  holds(`all of it in ${Math.round((Date.now() - begun) / 1000)} s`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  failing.close();
  await closed();
}
