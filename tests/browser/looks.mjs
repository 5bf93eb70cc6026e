// How the pages look and are used: by keyboard, without a script, on a phone, in the dark, by those who cannot see them.

import { check } from "./axe.mjs";
import { ensure, holds, opened, signIn } from "./window.mjs";

export async function keyboard(place) {
  const page = await opened();
  await signIn(page);
  await page.goto(`${place.base}/console/events`);
  await page.keyboard.press("Tab");
  ensure((await page.evaluate(() => document.activeElement.className)) === "skip", "the first stop skips to the content");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.activeElement.id === "main");
  await page.keyboard.press("/");
  ensure((await page.evaluate(() => document.activeElement.id)) === "type", "/ goes to the filter");
  await page.keyboard.type("policy.*");
  await page.keyboard.press("Enter");
  await page.waitForURL(/type=policy/);
  const row = () => page.evaluate(() => [...document.querySelectorAll("[data-row]")].indexOf(document.activeElement.closest("[data-row]")));
  await page.keyboard.press("j");
  await page.keyboard.press("ArrowDown");
  ensure((await row()) === 1, "j and the arrows go through the rows");
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  ensure(outline === "solid", "what has the focus is seen");
  await page.keyboard.press("k");
  ensure((await row()) === 0, "k goes back");
  await page.keyboard.press("Enter");
  await page.waitForURL(/console\/events\/\d+$/);
  ensure(page.complaints.length === 0, `the pages complain: ${page.complaints}`);
  holds("keyboard: skip link, / to the filter, rows by j, k and arrows, visible focus");
  await page.context().close();
}

export async function withoutScript(place, pages) {
  const page = await opened({ javaScriptEnabled: false });
  await signIn(page);
  for (const [name, path] of Object.entries(pages)) {
    const answer = await page.goto(`${place.base}${path}`);
    ensure(answer.status() === 200 || name === "nowhere", `${name} answers ${answer.status()}`);
    ensure(await page.locator("h1").isVisible(), `${name} is readable without a script`);
  }
  await page.goto(`${place.base}${pages.subscription}`);
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.locator("h1 .badge", { hasText: "paused" }).waitFor();
  await page.getByRole("button", { name: "Resume", exact: true }).click();
  await page.goto(`${place.base}${pages.subscription}/edit`);
  await page.fill("#description", "an endpoint that fails, still");
  await page.getByRole("button", { name: "Save" }).click();
  await page.locator("[data-notice]", { hasText: "Saved: Description" }).waitFor();
  await page.goto(`${place.base}${pages["new-key"]}`);
  await page.fill("#description", "without a script");
  await page.getByRole("button", { name: "Make key" }).click();
  ensure((await page.locator("#secret").textContent()).startsWith("ew_"), "a key is made without a script");
  ensure(!(await page.getByRole("button", { name: "Copy" }).count()), "what needs a script is not offered");
  await page.goto(`${place.base}/console/events`);
  await page.fill("#type", "card.*");
  await page.getByRole("button", { name: "Filter" }).click();
  await page.waitForURL(/type=card/);
  ensure(!(await page.getByRole("button", { name: "Live" }).count()), "what needs a script is not offered");
  await page.screenshot({ path: `${place.shots}/events-without-script.png` });
  holds(`without a script: ${Object.keys(pages).length} pages, forms and filters`);
  await page.context().close();
}

export async function phone(place, pages) {
  const page = await opened({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true });
  await signIn(page);
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(`${place.base}${path}`);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    ensure(over <= 0, `${name} is ${over} px too wide for a phone`);
    await check(page, `${name}, on a phone`);
    await page.screenshot({ path: `${place.shots}/phone-${name}.png`, fullPage: true });
  }
  holds(`phone: ${Object.keys(pages).length} pages, none wider than the screen, none with a serious finding of axe-core`);
  await page.context().close();
}

// Findings of axe-core that are serious or critical, in light and dark.
export async function accessible(place, pages) {
  let checked = 0;
  for (const colorScheme of ["light", "dark"]) {
    const page = await opened({ colorScheme });
    await page.goto(`${place.base}/console/sign-in`);
    await check(page, `sign-in, ${colorScheme}`);
    await page.screenshot({ path: `${place.shots}/${colorScheme}-sign-in.png` });
    await signIn(page);
    for (const [name, path] of Object.entries(pages)) {
      await page.goto(`${place.base}${path}`);
      await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
      await check(page, `${name}, ${colorScheme}`);
      checked += 1;
      await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = false; }));
      await page.screenshot({ path: `${place.shots}/${colorScheme}-${name}.png`, fullPage: true });
    }
    await page.context().close();
  }
  holds(`axe-core: no serious or critical finding on ${checked} pages in light and dark`);
}
