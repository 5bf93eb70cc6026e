// Verifies signed messages with the official JavaScript libraries; they are looked for in NODE_PATH too.
//
// In: {"messages": [{"secret", "headers", "body"}, ...]}. Out: {library: [true or false per message] or null if absent}.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

function accepted({ Webhook, WebhookVerificationError }, message) {
  try {
    new Webhook(message.secret).verify(message.body, message.headers);
    return true;
  } catch (error) {
    if (error instanceof WebhookVerificationError) return false;
    throw error;
  }
}

function verdicts(name, messages) {
  let library;
  try {
    library = require(name);
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
  return messages.map((message) => accepted(library, message));
}

const { messages } = JSON.parse(readFileSync(0, "utf8"));
const names = ["standardwebhooks", "svix"];
process.stdout.write(JSON.stringify(Object.fromEntries(names.map((name) => [name, verdicts(name, messages)]))));
