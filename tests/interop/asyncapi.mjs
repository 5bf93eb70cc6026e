// Validates an AsyncAPI document, which is on standard input, with @asyncapi/parser. Prints each fault in a line.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
let Parser;
try {
  ({ Parser } = require("@asyncapi/parser"));
} catch (error) {
  if (error.code === "MODULE_NOT_FOUND") process.exit(77);
  throw error;
}

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
for (const { code, message, path } of diagnostics) console.log(`${path.join("/")}: ${code}: ${message}`);
if (!document) console.log("it is no document");
else if (document.version() !== "3.1.0") console.log(`it is read as ${document.version()}`);
