// Each action of the console, as a person does it. Gives the addresses of every page, with something on each.

import { check } from "./axe.mjs";
import { ensure, holds, opened, signIn } from "./window.mjs";

const told = (page) => page.locator("[data-notice]").textContent();

async function pressed(page, name, scope = page) {
  await Promise.all([page.waitForNavigation(), scope.getByRole("button", { name, exact: true }).first().click()]);
}

export async function actions(place) {
  const page = await opened();
  await page.goto(`${place.base}/`);
  ensure(page.url().endsWith("/console/sign-in"), "a stranger is led to the form");
  await page.fill("#key", "ew_wrong");
  await pressed(page, "Sign in");
  ensure((await page.getByRole("alert").textContent()).includes("does not know this key"), "a wrong key is refused");
  await signIn(page);
  holds("sign in, and not with a wrong key");

  const sub = await create(page, place);
  await test(page, place, sub);
  const delivery = await retry(page, place, sub);
  await rotate(page, sub);
  await edit(page, place, sub);
  await pauseAndResume(page, sub);
  const event = await liveAndDetail(page, place);
  const replay = await replayed(page, place);
  await cancelled(page, place);
  await quarantine(page, place);
  await refreshed(page, place);
  const key = await keys(page, place);
  const entity = await page.goto(`${place.base}${event}`).then(() => page.locator("h1 ~ p a.id").getAttribute("href"));
  // Refusals that were asked for are told there too.
  const complaints = page.complaints.filter((text) => !/status of 4\d\d/.test(text));
  ensure(complaints.length === 0, `the pages complain: ${complaints}`);

  await removed(page, place);
  await signOut(page, place);
  return {
    overview: "/",
    events: "/console/events",
    event,
    entity,
    subscriptions: "/console/subscriptions",
    subscription: sub,
    "new-subscription": "/console/subscriptions/new",
    "edit-subscription": `${sub}/edit`,
    deliveries: "/console/deliveries",
    delivery,
    replay: "/console/replay",
    "replay-progress": replay,
    catalogue: "/console/catalogue",
    type: "/console/catalogue/report.approved",
    docs: "/console/docs",
    doc: "/console/docs/receiving",
    quarantine: "/console/quarantine",
    account: "/console/accounts/demo",
    system: "/console/system",
    key,
    "new-key": "/console/keys/new",
    nowhere: "/console/nowhere",
  };
}

async function create(page, place) {
  await page.goto(`${place.base}/console/subscriptions/new`);
  await page.fill("#url", "https://169.254.169.254/latest");
  await pressed(page, "Create subscription");
  ensure((await page.getByRole("alert").textContent()).includes("169.254"), "an address that is not allowed is refused");
  ensure((await page.inputValue("#url")).includes("169.254"), "what was typed is still there");
  await page.fill("#url", place.failing.url);
  await page.fill("#events", "report.*\nexpense.*");
  await page.fill("#description", "an endpoint that fails");
  await pressed(page, "Create subscription");
  const secret = await page.locator("#secret").textContent();
  ensure(secret.startsWith("whsec_"), "the secret is shown");
  await page.screenshot({ path: `${place.shots}/created.png` });
  await page.reload();
  ensure((await page.locator("#secret").count()) === 0, "the secret is shown once");
  holds("create a subscription, its secret shown once");
  return new URL(page.url()).pathname;
}

async function test(page, place, sub) {
  await page.goto(`${place.base}${sub}`);
  await pressed(page, "Send a test");
  ensure((await told(page)).includes("evt_test"), "a test is sent");
  await page.waitForFunction(() => document.querySelectorAll("main tbody tr[data-row]").length > 0);
  holds("a test that fails shows among the deliveries, without loading the page by hand");
}

async function retry(page, place, sub) {
  await page.goto(`${place.base}/console/deliveries`);
  await page.locator("tbody tr[data-row] td.fill a").first().click();
  await page.waitForURL(/console\/deliveries\/sub_/);
  const path = new URL(page.url()).pathname;
  await page.locator(".timeline li.bad").first().waitFor();
  const before = place.failing.state.got;
  await pressed(page, "Retry now");
  ensure((await told(page)).includes("in line"), "a retry is in line");
  while (place.failing.state.got === before) await new Promise((resolve) => setTimeout(resolve, 50));
  await page.screenshot({ path: `${place.shots}/delivery-retried.png`, fullPage: true });
  holds("retry a delivery; the endpoint is asked again");
  return path;
}

async function rotate(page, sub) {
  await page.goto(new URL(sub, page.url()).href);
  await page.selectOption("#overlap_s", "3600");
  await pressed(page, "Rotate");
  ensure((await page.locator("#secret").textContent()).startsWith("whsec_"), "the new secret is shown");
  const left = page.locator("[data-overlap] .ago");
  const first = await left.textContent();
  await page.waitForFunction((first) => document.querySelector("[data-overlap] .ago").textContent !== first, first);
  ensure(/^in 59 min/.test(await left.textContent()), "the overlap counts down");
  holds("rotate the secret, the overlap counting down");
}

// Two windows change one subscription: what only one of them touched is kept, what both touched is asked about.
async function edit(page, place, sub) {
  const other = await page.context().newPage();
  await other.goto(`${place.base}${sub}/edit`);
  await page.goto(`${place.base}${sub}`);
  await page.getByRole("link", { name: "Edit" }).click();
  await page.waitForURL(`**${sub}/edit`);
  ensure((await page.inputValue("#url")) === place.failing.url, "the form has how it stands");
  ensure((await page.inputValue("#events")) === "report.*\nexpense.*", "its events too");
  await page.fill("#url", "https://169.254.169.254/latest");
  await page.fill("#rate_per_s", "fast");
  await page.fill("#headers", "X-Team: finance");
  await pressed(page, "Save");
  ensure((await page.locator("#url-error").textContent()).includes("169.254"), "what is wrong stands beside its field");
  ensure((await page.inputValue("#rate_per_s")) === "fast", "what was typed is still there");
  ensure((await page.inputValue("#headers")).trim() === "X-Team:", "but no value of a header");
  await check(page, "a form that came back");
  await page.screenshot({ path: `${place.shots}/edit-refused.png`, fullPage: true });
  await page.locator("[role=alert] a", { hasText: "Deliveries a second" }).click();
  ensure((await page.evaluate(() => document.activeElement.id)) === "rate_per_s", "what is wrong leads to its field");
  await page.fill("#url", place.failing.url);
  await page.fill("#rate_per_s", "50");
  await page.fill("#headers", "X-Team: finance");
  await pressed(page, "Save");
  ensure((await told(page)).includes("Saved: Deliveries a second, Headers"), "what changed is told");
  ensure((await page.locator(".facts").textContent()).includes("x-team"), "the header is there, without its value");
  await other.fill("#rate_per_s", "70");
  await other.fill("#description", "an endpoint that fails");
  await pressed(other, "Save");
  ensure((await other.getByRole("alert").textContent()).includes("Somebody else changed it"), "what both changed is asked about");
  ensure((await other.inputValue("#rate_per_s")) === "70", "with what was typed");
  await other.screenshot({ path: `${place.shots}/edit-contested.png`, fullPage: true });
  await pressed(other, "Save");
  ensure((await other.locator(".facts").textContent()).includes("70 a second"), "and then saved");
  await other.close();
  holds("edit a subscription: refused, saved, changed by two at once");
}

async function pauseAndResume(page, sub) {
  await pressed(page, "Pause");
  ensure((await page.locator("h1 .badge").textContent()) === "paused", "it is paused");
  await pressed(page, "Resume");
  ensure((await told(page)).includes("Resumed"), "it is resumed");
  await page.goto(new URL("/console/subscriptions", page.url()).href);
  const first = page.locator("tbody tr").first();
  ensure((await first.textContent()).includes("an endpoint that fails"), "failing ones come first");
  holds("pause and resume; failing ones first");
}

async function liveAndDetail(page, place) {
  await page.goto(`${place.base}/console/events?type=report.*`);
  const before = await page.locator("[data-live-rows] tr").count();
  await page.getByRole("button", { name: "Live" }).click();
  await page.locator("[data-live-told]").getByText(/^Live/).waitFor();
  await fetch(`${place.control}/changes`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ entity: "report", change: "approved" }),
  });
  await page.waitForFunction((before) => document.querySelectorAll("[data-live-rows] tr").length > before, before);
  ensure((await page.locator("tr.fresh").count()) > 0, "what came live is marked");
  await page.screenshot({ path: `${place.shots}/events-live.png` });
  const approved = page.locator("tr", { has: page.getByText("report.approved") }).first();
  const event = await approved.locator("td.num a").getAttribute("href");
  await approved.locator("td.num a").click();
  await page.waitForURL(`**${event}`);
  ensure((await page.locator("del").allTextContents()).includes("SUBMITTED"), "the state before is shown");
  ensure((await page.locator("ins").allTextContents()).includes("APPROVED"), "the state after is shown");
  ensure((await page.locator("#curl").textContent()).includes(event.split("/").pop()), "as a command");
  await page.selectOption("#subscription", { label: (await page.locator("#subscription option").allTextContents()).find((text) => text.includes("demo's receiver")) });
  await pressed(page, "Resend");
  ensure((await told(page)).includes("on its way again"), "it is resent");
  await page.locator("h1 .badge", { hasText: "done" }).waitFor();
  holds("events live, before and after, resend to its end");
  return event;
}

async function replayed(page, place) {
  await page.goto(`${place.base}/console/replay`);
  const options = await page.locator("#subscription option").allTextContents();
  await page.selectOption("#subscription", { label: options.find((text) => text.includes("demo's receiver")) });
  await page.fill("[name=since]", "1h");
  await pressed(page, "Count");
  ensure(/\d+ events/.test(await page.locator(".notice.info strong").textContent()), "it is counted");
  await page.screenshot({ path: `${place.shots}/replay-counted.png`, fullPage: true });
  await pressed(page, "Start replay");
  await page.locator("h1 .badge", { hasText: "done" }).waitFor();
  ensure((await page.locator("progress").getAttribute("value")) === "100", "the progress comes to its end");
  holds("replay: count, start, progress to the end");
  return new URL(page.url()).pathname;
}

async function cancelled(page, place) {
  await page.goto(`${place.base}/console/replay`);
  const options = await page.locator("#subscription option").allTextContents();
  await page.selectOption("#subscription", { label: options.find((text) => text.includes("demo's receiver")) });
  await page.check("[value=beginning]");
  await page.fill("#rate_per_s", "1");
  await pressed(page, "Count");
  await pressed(page, "Start replay");
  await pressed(page, "Cancel");
  ensure((await page.locator("h1 .badge").textContent()) === "cancelled", "it is cancelled");
  holds("cancel a replay");
}

// So much goes missing at once that it is withheld; then somebody confirms it.
async function quarantine(page, place) {
  const stats = await fetch(`${place.control}/hidden`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ entity: "card", count: 14 }),
  });
  ensure(stats.ok, "the simulator hides cards");
  await page.goto(`${place.base}/console/quarantine`);
  const button = page.getByRole("button", { name: "Confirm as gone" });
  for (let tries = 0; tries < 100 && !(await button.count()); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    await page.reload();
  }
  ensure(await button.count(), "what went missing is withheld");
  await page.screenshot({ path: `${place.shots}/quarantine-withheld.png`, fullPage: true });
  await page.goto(`${place.base}/`);
  ensure((await page.locator(".needs").textContent()).includes("went missing at once"), "the overview says so");
  await page.screenshot({ path: `${place.shots}/overview-needs.png`, fullPage: true });
  await page.goto(`${place.base}/console/quarantine`);
  await page.fill("[name=ceiling]", "1");
  await pressed(page, "Confirm as gone");
  ensure((await page.locator(".notice.bad").count()) === 1, "a ceiling that is too low releases nothing");
  await page.reload();
  await pressed(page, "Confirm as gone");
  ensure((await told(page)).includes("Confirmed"), "it is confirmed");
  holds("quarantine: withheld, refused under too low a ceiling, confirmed");
}

async function refreshed(page, place) {
  await page.goto(`${place.base}/console/accounts/demo`);
  await pressed(page, "Read now");
  ensure((await told(page)).includes("as soon as the budget allows"), "it is read");
  holds("read an account now");
}

async function keys(page, place) {
  await page.goto(`${place.base}/console/system`);
  await page.getByRole("link", { name: "New key" }).click();
  await page.waitForURL("**/console/keys/new");
  ensure((await page.locator("input:checked").count()) === 0, "nothing is allowed unless it is ticked");
  await page.fill("#description", "the ERP");
  await page.check("[value='events:read']");
  await page.fill("#accounts", "demo");
  await pressed(page, "Make key");
  ensure((await page.getByRole("alert").textContent()).includes("Policies"), "what lacks is named");
  ensure(await page.isChecked("[value='events:read']"), "what was ticked still is");
  await page.screenshot({ path: `${place.shots}/key-refused.png`, fullPage: true });
  await page.fill("#policies", "*");
  await page.fill("#events", "report.*");
  await page.selectOption("#expires_in_s", { label: "in 30 days" });
  await pressed(page, "Make key");
  const key = await page.locator("#secret").textContent();
  ensure(key.startsWith("ew_"), "the key is shown");
  ensure(await page.getByRole("button", { name: "Copy" }).isVisible(), "and can be copied");
  ensure(!page.url().includes(key) && !(await page.title()).includes(key), "but neither in the address nor in the title");
  await check(page, "a key that was just made");
  await page.screenshot({ path: `${place.shots}/key-made.png`, fullPage: true });
  await page.reload();
  ensure((await page.locator("#secret").count()) === 0, "the key is shown once");
  const made = new URL(page.url()).pathname;

  const narrow = await opened();
  await signIn(narrow, key);
  ensure((await narrow.locator(".who").textContent()).includes("the ERP"), "it opens the console");
  await narrow.goto(`${place.base}/console/system`);
  ensure(!(await narrow.getByRole("link", { name: "New key" }).count()), "what it may not do is not offered");
  await narrow.screenshot({ path: `${place.shots}/system-narrow.png`, fullPage: true });
  await page.locator("summary", { hasText: "Delete this key" }).click();
  await page.check("[name=sure]");
  await pressed(page, "Delete");
  ensure((await told(page)).includes("opens nothing any more"), "it is deleted");
  await narrow.goto(`${place.base}/console/events`);
  ensure(narrow.url().includes("ended=key"), "and what it opened is over");
  await narrow.context().close();
  holds("make a key, shown once, that opens what was ticked; delete it");

  await page.goto(`${place.base}/console/keys/new`);
  await page.fill("#description", "a dashboard");
  for (const action of ["events:read", "subscriptions:read", "deliveries:read"]) await page.check(`[value='${action}']`);
  for (const list of ["accounts", "policies", "events"]) await page.fill(`#${list}`, "*");
  await pressed(page, "Make key");
  return new URL(page.url()).pathname;
}

async function removed(page, place) {
  await page.goto(`${place.base}/console/subscriptions/new`);
  await page.fill("#url", `${place.failing.url}/other`);
  await pressed(page, "Create subscription");
  await page.locator("summary", { hasText: "Delete" }).click();
  await page.check("[name=sure]");
  await pressed(page, "Delete");
  ensure((await told(page)).includes("is deleted"), "it is deleted");
  holds("delete a subscription");
}

async function signOut(page, place) {
  await pressed(page, "Sign out");
  await page.goto(`${place.base}/console/system`);
  ensure(page.url().includes("/console/sign-in?next="), "nothing is shown any more");
  holds("sign out");
}
