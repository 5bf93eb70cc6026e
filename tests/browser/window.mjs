// Windows of the browser, and saying what holds.

import { chromium } from "playwright-core";

const { BASE, KEY, CHROMIUM } = process.env;

// Nothing here takes longer, however busy the machine.
const PATIENCE_MS = 30_000;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });

export const closed = () => browser.close();

// A window of its own, with a cookie jar of its own, that remembers whatever its pages complain of.
export async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") page.complaints.push(message.text());
  });
  return page;
}

export async function signIn(page, key = KEY) {
  await page.goto(`${BASE}/`);
  await page.fill("#key", key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.waitForURL(`${BASE}/`);
}

export function holds(what) {
  console.log(`ok  ${what}`);
}

export function ensure(condition, what) {
  if (!condition) throw new Error(what);
}
