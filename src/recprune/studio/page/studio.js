// The studio: a wish becomes a plan at once, and on demand a measurement, lists, a folder.

import { about, job, post, useToken } from "./ask.js";
import { noPlan, showPlan } from "./plan.js";
import { at, count, element, say } from "./parts.js";
import { showApplied, showBoth, showMeasured, showSoFar } from "./results.js";

const SMALLEST = 0.01; // of the bytes, at the left end of the slider
const WORDS = { score: "Asking the rule", measure: "Measuring", apply: "Writing the smaller model" };
const EVERY = 300; // milliseconds between two looks at a job
const now = { facts: null, plan: null, measured: [], running: null, timer: 0, again: false };

const byBytes = () => document.querySelector("input[name=amount]:checked").value === "bytes";

function wish() {
  const boxes = [...at("kinds").querySelectorAll("input")];
  const kinds = boxes.filter((box) => box.checked).map((box) => box.value);
  const amount = byBytes() ? { bytes: Math.round(at("exact").valueAsNumber) } : { factor: at("exact").valueAsNumber / 100 };
  return { rule: at("rule").value, kinds: kinds.length === boxes.length ? [] : kinds, bits: at("bits").checked, ...amount };
}

const order = () => ({ ...wish(), epochs: at("epochs").valueAsNumber || 0 });

// The slider and the number beside it say the same; of bytes the slider goes by magnitude.
function exactFromSlide() {
  const share = at("slide").valueAsNumber / 100;
  at("exact").value = byBytes() ? Math.max(1, Math.round(now.facts.bytes * SMALLEST ** (1 - share))) : at("slide").value;
}

function slideFromExact() {
  const value = at("exact").valueAsNumber;
  if (!Number.isFinite(value)) return;
  at("slide").value = byBytes() ? 100 * (1 - Math.log(value / now.facts.bytes) / Math.log(SMALLEST)) : value;
}

function saySlide() {
  const value = at("exact").valueAsNumber;
  at("slide").setAttribute("aria-valuetext", byBytes() ? `${count(value)} bytes` : `${value} percent`);
}

function showAmount() {
  const bytes = byBytes();
  at("slide-label").textContent = bytes ? "Most bytes of the weights file" : "Share that leaves";
  at("exact-label").textContent = bytes ? `Bytes, of ${count(now.facts.bytes)}` : "Percent";
  at("exact").max = bytes ? "" : "100";
  at("exact").min = bytes ? "1" : "0";
  at("bits-choice").hidden = !bytes;
}

function showButtons() {
  const ready = Boolean(now.plan) && !now.running;
  at("measure-now").disabled = at("apply-now").disabled = !ready;
  at("lists-now").disabled = !now.made || Boolean(now.running);
}

// One question at a time: what was changed meanwhile is asked once more when the answer is there.
let asking = false;
let changed = false;
async function planNow() {
  changed = true;
  if (asking) return;
  asking = true;
  at("plan").setAttribute("aria-busy", "true");
  while (changed) {
    changed = false;
    await planOnce();
  }
  asking = false;
  at("plan").setAttribute("aria-busy", "false");
  showAgain();
  showButtons();
}

async function planOnce() {
  now.plan = null;
  say("wrong", "");
  if (!at("exact").checkValidity()) return noPlan("No plan.", "Say the budget as a number.");
  if (![...at("kinds").querySelectorAll("input")].some((box) => box.checked)) {
    return noPlan("No plan.", "Something has to be allowed to leave: choose a kind of unit.");
  }
  try {
    const found = await post("plan", wish());
    if (found.state === "refused") return noPlan("No plan.", found.message);
    if (found.state === "not_scored") return await score();
    now.plan = found;
    return showPlan(found);
  } catch (error) {
    return noPlan("No plan.", error.message);
  }
}

async function score() {
  noPlan("The rule has to look at the model first.");
  if (now.running) {
    now.again = true;
    return;
  }
  try {
    watch(await post("score", wish()));
  } catch (error) {
    if (error.code !== "busy") noPlan("No plan.", error.message);
    else { now.again = true; look(); }
  }
}

function showAgain() {
  const [found] = now.measured;
  if (found) showMeasured(found, found.words, now.plan?.plan === found.plan && found.epochs === order().epochs);
}

// A job is looked at until it is over; then what it was for goes on.
function watch(told) {
  now.running = told;
  at("job").hidden = false;
  at("cancel").disabled = false;
  showButtons();
  showJob(told);
  clearTimeout(now.timer);
  now.timer = setTimeout(look, EVERY);
}

async function look() {
  try {
    const told = await job();
    if (told && (told.state === "running" || told.state === "stopping")) {
      watch(told);
      at("cancel").disabled = told.state === "stopping";
      return;
    }
    over(told);
  } catch (error) {
    over(null);
    say("wrong", error.message);
  }
}

// How much of a stage is done, where its words count: "epoch 3, loss 0.41, 3/12".
function part(words) {
  const found = /(\d[\d,]*)(?:\/| of )(\d[\d,]*)/.exec(words);
  if (!found) return 0;
  const [done, whole] = found.slice(1).map((text) => Number(text.replaceAll(",", "")));
  return whole ? Math.min(done / whole, 1) : 0;
}

function showJob(told) {
  const what = told.state === "stopping" ? "Stopping" : WORDS[told.kind] ?? told.kind;
  const said = told.stage ? `${what}: ${told.stage}` : what;
  if (at("job-said").textContent !== said) at("job-said").textContent = said;
  at("job-words").textContent = `${told.words ? `${told.words}, ` : ""}${told.seconds} s`;
  at("job-far").max = told.of;
  at("job-far").value = told.done + part(told.words);
}

function over(told) {
  const was = now.running;
  now.running = null;
  at("job").hidden = true;
  if (told && was && told.number === was.number) ended(told);
  showButtons();
  if (now.again) {
    now.again = false;
    planNow();
  }
}

function ended(told) {
  const place = { score: "plan-wrong", measure: "measure-wrong", apply: "apply-wrong" }[told.kind];
  if (told.state === "stopped") say(place, "It was cancelled.");
  if (told.state === "failed") say(place, told.error);
  if (told.kind === "score" && told.state === "done") planNow();
  if (told.state !== "done") return;
  if (told.kind === "measure") {
    const { amount, epochs, rule } = told.result;
    const tuned = epochs ? `${epochs} epoch${epochs > 1 ? "s" : ""} of fine-tuning` : "no fine-tuning";
    now.measured = [{ ...told.result, words: `${amount}, ${rule}, ${tuned}` }, ...now.measured].slice(0, 50);
    showAgain();
    showSoFar(now.measured);
  }
  if (told.kind === "apply") showApplied(told.result);
  if (told.kind !== "score") {
    now.made = true;
    at("lists-said").textContent = "Name a user.";
    at("both").replaceChildren();
  }
}

async function begin(path, body, wrong) {
  say(wrong, "");
  try {
    watch(await post(path, body));
  } catch (error) {
    say(wrong, error.message);
    if (error.code === "busy") look();
  }
}

async function compareLists() {
  at("both").replaceChildren();
  try {
    showBoth(await post("lists", { user: at("user").value }));
  } catch (error) {
    at("lists-said").textContent = error.message;
  }
}

function showRule() {
  at("rule-words").textContent = now.facts.rules.find((one) => one.name === at("rule").value)?.words ?? "";
}

function fill(facts) {
  at("model").textContent = `A smaller ${facts.model.model}`;
  at("about").textContent = `${count(facts.model.parameters)} parameters in ${facts.folder}, a weights file of `
    + `${count(facts.bytes)} bytes; data of ${facts.data}.`;
  at("rule").replaceChildren(...facts.rules.map((one) => new Option(one.name, one.name, false, one.name === facts.rule)));
  at("kinds").replaceChildren(...Object.entries(facts.kinds).map(([kind, units]) => {
    const label = element("label", "", "choice");
    const box = element("input");
    Object.assign(box, { type: "checkbox", value: kind, checked: true });
    label.append(box, ` ${kind} (${count(units)})`);
    return label;
  }));
  at("users").replaceChildren(...facts.users.map((user) => new Option(user)));
  at("user").value = facts.users[0] ?? "";
  at("epochs").value = facts.solved ? 1 : facts.epochs;
  at("solved").hidden = !facts.solved;
  at("out").textContent = facts.out;
  now.made = facts.made;
  if (facts.made) at("lists-said").textContent = "Name a user.";
}

async function open() {
  try {
    now.facts = await about();
  } catch (error) {
    if (error.code === "unauthorized") at("gate").hidden = false;
    say("wrong", error.message);
    return;
  }
  at("gate").hidden = true;
  say("wrong", "");
  fill(now.facts);
  showAmount();
  showRule();
  saySlide();
  at("studio").hidden = false;
  const told = await job().catch(() => null);
  if (told?.state === "running") watch(told);
  planNow();
}

let waiting = 0;
function planSoon() {
  saySlide();
  clearTimeout(waiting);
  waiting = setTimeout(planNow, 60);
}

at("slide").addEventListener("input", () => { exactFromSlide(); planSoon(); });
at("exact").addEventListener("input", () => { slideFromExact(); planSoon(); });
for (const radio of document.querySelectorAll("input[name=amount]")) {
  radio.addEventListener("change", () => { at("slide").value = 50; exactFromSlide(); showAmount(); planSoon(); });
}
at("rule").addEventListener("change", () => { showRule(); planSoon(); });
for (const id of ["kinds", "bits"]) at(id).addEventListener("change", planSoon);
at("epochs").addEventListener("input", showAgain);
at("wish").addEventListener("submit", (event) => { event.preventDefault(); planNow(); });
at("measure").addEventListener("submit", (event) => { event.preventDefault(); begin("measure", order(), "measure-wrong"); });
at("apply").addEventListener("submit", (event) => {
  event.preventDefault();
  begin("apply", { ...order(), name: at("name").value }, "apply-wrong");
});
at("lists").addEventListener("submit", (event) => { event.preventDefault(); compareLists(); });
at("gate").addEventListener("submit", (event) => { event.preventDefault(); useToken(at("token").value); open(); });
at("cancel").addEventListener("click", async () => {
  at("cancel").disabled = true;
  await post("cancel", {}).catch((error) => say("wrong", error.message));
});
open();
