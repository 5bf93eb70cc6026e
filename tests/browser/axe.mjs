// What axe-core finds on a page. Its script goes in by the debugger: the policy of the pages would not let it in otherwise.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ensure } from "./window.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// Findings that are serious or critical are none.
export async function check(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() =>
    axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  const grave = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
  const told = grave.map((one) => `${one.id}: ${one.help}\n${one.nodes.map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`);
  ensure(grave.length === 0, `axe on ${what}:\n${told.join("\n")}`);
}
