// The studio: a wish becomes a plan at once, and on demand a measurement, lists, a folder.

import { amount } from "./amounts.js";
import { about, job, post, useToken } from "./ask.js";
import { noneYet, noPlan, showPlan } from "./plan.js";
import { at, count, element, say } from "./parts.js";
import { showApplied, showBoth, showMeasured, showSoFar } from "./results.js";

const WORDS = {
  score: "Asking the rule", find: "Finding the plan", measure: "Measuring", apply: "Writing the smaller model",
};
const FINDS = {
  milliseconds: "Smaller models are made and timed here, one after the other: some seconds, or minutes.",
  max_drop: "The model is pruned in steps and fine-tuned after each, for the epochs below (one a step at least), until it "
    + "has lost too much: it takes as long as that training.",
};
const EVERY = 300; // milliseconds between two looks at a job
const now = { facts: null, ends: {}, plan: null, measured: [], running: null, timer: 0, again: false };

const kind = () => document.querySelector("input[name=amount]:checked").value;
const extra = () => ({ rows: at("rows").valueAsNumber || 1, metric: at("metric").value });
const known = () => !amount(kind()).sought || Boolean(now.ends[kind()]);

function wish() {
  const boxes = [...at("kinds").querySelectorAll("input")];
  const kinds = boxes.filter((box) => box.checked).map((box) => box.value);
  const asked = amount(kind()).ask(known() ? at("exact").valueAsNumber : 1, extra());
  return {
    rule: at("rule").value, kinds: kinds.length === boxes.length ? [] : kinds, bits: at("bits").checked,
    epochs: at("epochs").valueAsNumber || 0, ...asked,
  };
}

// The slider and the number beside it say the same; of bytes and milliseconds the slider goes by magnitude.
function exactFromSlide() {
  if (known()) at("exact").value = amount(kind()).exact(at("slide").valueAsNumber, now.facts, now.ends[kind()], extra());
}

function slideFromExact() {
  const value = at("exact").valueAsNumber;
  if (!Number.isFinite(value) || !known()) return;
  at("slide").value = amount(kind()).slide(value, now.facts, now.ends[kind()], extra());
}

function saySlide() {
  const words = known() ? amount(kind()).say(at("exact").valueAsNumber, now.ends[kind()], extra()) : "not measured yet";
  at("slide").setAttribute("aria-valuetext", words);
  say("limit", kind() === "max_drop" && known() ? `${words}.` : "");
}

function showAmount() {
  const one = amount(kind());
  const ends = now.ends[kind()] ?? null;
  at("slide-label").textContent = one.label();
  at("exact-label").textContent = one.unit(now.facts, ends, extra());
  at("exact").max = one.max;
  at("exact").min = one.min;
  at("slide").disabled = at("exact").disabled = !known();
  at("bits-choice").hidden = !["bytes", "max_drop"].includes(kind());
  at("rows-choice").hidden = kind() !== "milliseconds";
  at("metric-choice").hidden = kind() !== "max_drop";
}

function begins() {
  at("slide").value = amount(kind()).first;
  exactFromSlide();
}

// What a budget that has to be measured may be: the slider goes from one end to the other. Asks anew where it began there.
function takeEnds(ends) {
  const was = now.ends[kind()];
  if (JSON.stringify(was) === JSON.stringify(ends)) return false;
  now.ends[kind()] = ends;
  if (ends.metrics && !was) at("metric").replaceChildren(...ends.metrics.map((one) => new Option(one.name, one.name)));
  if (was) slideFromExact();
  else begins();
  showAmount();
  saySlide();
  return !was;
}

function showButtons() {
  const ready = Boolean(now.plan) && !now.running;
  at("measure-now").disabled = at("apply-now").disabled = !ready;
  at("find-now").disabled = Boolean(now.running);
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
  if (!at("rows-choice").hidden && !at("rows").checkValidity()) return noPlan("No plan.", "Say the rows as a whole number.");
  if (![...at("kinds").querySelectorAll("input")].some((box) => box.checked)) {
    return noPlan("No plan.", "Something has to be allowed to leave: choose a kind of unit.");
  }
  try {
    const of = kind();
    const found = await post("plan", wish());
    if (of !== kind()) return;
    if (found.ends && takeEnds(found.ends)) {
      changed = true;
      return;
    }
    if (found.state === "not_sought") return noneYet(FINDS[kind()]);
    if (found.state === "refused") return noPlan("No plan.", found.message);
    if (found.state === "not_scored") return await score();
    now.plan = found;
    return showPlan(found);
  } catch (error) {
    return noPlan("No plan.", error.message);
  }
}

async function score() {
  const first = "The rule has to look at the model first.";
  noPlan(amount(kind()).sought ? "What such a budget may be has to be measured first." : first);
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
  if (found) showMeasured(found, found.words, now.plan?.plan === found.plan && found.epochs === wish().epochs);
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
  const place = { score: "plan-wrong", find: "plan-wrong", measure: "measure-wrong", apply: "apply-wrong" }[told.kind];
  if (told.state === "stopped") say(place, "It was cancelled.");
  if (told.state === "failed") say(place, told.error);
  if (["score", "find"].includes(told.kind) && told.state === "done") planNow();
  if (told.state !== "done") return;
  if (told.kind === "measure") {
    const { amount, epochs, rule } = told.result;
    const tuned = epochs ? `${epochs} epoch${epochs > 1 ? "s" : ""} of fine-tuning` : "no fine-tuning";
    now.measured = [{ ...told.result, words: `${amount}, ${rule}, ${tuned}` }, ...now.measured].slice(0, 50);
    showAgain();
    showSoFar(now.measured);
  }
  if (told.kind === "apply") showApplied(told.result);
  if (["measure", "apply"].includes(told.kind)) {
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
  radio.addEventListener("change", () => { begins(); showAmount(); planSoon(); });
}
at("rule").addEventListener("change", () => { showRule(); planSoon(); });
for (const id of ["kinds", "bits"]) at(id).addEventListener("change", planSoon);
at("rows").addEventListener("change", () => { now.ends.milliseconds = null; showAmount(); planSoon(); });
at("metric").addEventListener("change", () => { begins(); showAmount(); planSoon(); });
at("epochs").addEventListener("input", () => { if (kind() === "max_drop") planSoon(); else showAgain(); });
at("find-now").addEventListener("click", () => begin("find", wish(), "plan-wrong"));
at("wish").addEventListener("submit", (event) => { event.preventDefault(); planNow(); });
at("measure").addEventListener("submit", (event) => { event.preventDefault(); begin("measure", wish(), "measure-wrong"); });
at("apply").addEventListener("submit", (event) => {
  event.preventDefault();
  begin("apply", { ...wish(), name: at("name").value }, "apply-wrong");
});
at("lists").addEventListener("submit", (event) => { event.preventDefault(); compareLists(); });
at("gate").addEventListener("submit", (event) => { event.preventDefault(); useToken(at("token").value); open(); });
at("cancel").addEventListener("click", async () => {
  at("cancel").disabled = true;
  await post("cancel", {}).catch((error) => say("wrong", error.message));
});
open();
