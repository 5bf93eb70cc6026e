// Reads deliveries with the CloudEvents SDK, and checks their signatures v1a by raw ed25519.
//
// In: {library: [{"headers", "body" (base64), "public_key"}, ...]}. Out: {library: [true or false per message] or null if
// it is absent}.

import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
// RFC 8410: what comes before the 32 bytes of a public key.
const ED25519_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

function cloudevents(messages) {
  let sdk;
  try {
    sdk = require("cloudevents");
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND") return null;
    throw error;
  }
  return messages.map(({ headers, body }) => {
    try {
      const event = sdk.HTTP.toEvent({ headers, body: Buffer.from(body, "base64").toString("utf8") });
      event.validate();
      return event.id === headers["webhook-id"] && event.data.id === event.id && event.data.type === event.type;
    } catch {
      return false;
    }
  });
}

function ed25519(messages) {
  return messages.map(({ headers, body, public_key }) => {
    const raw = Buffer.from(public_key.replace(/^whpk_/, ""), "base64");
    const key = createPublicKey({ key: Buffer.concat([ED25519_PREFIX, raw]), format: "der", type: "spki" });
    const head = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`);
    const content = Buffer.concat([head, Buffer.from(body, "base64")]);
    const signatures = headers["webhook-signature"].split(" ").map((one) => one.split(","));
    return signatures.some(([scheme, text]) => scheme === "v1a" && verify(null, content, key, Buffer.from(text, "base64")));
  });
}

const known = { cloudevents, ed25519 };
const asked = JSON.parse(readFileSync(0, "utf8"));
const verdicts = Object.entries(asked).map(([name, messages]) => [name, known[name](messages)]);
process.stdout.write(JSON.stringify(Object.fromEntries(verdicts)));
