// A plan on the page.

import { reached } from "./amounts.js";
import { at, count, element, number, percent, say, signed, table, tile } from "./parts.js";

const NAMES = { field: "fields", id: "ids", dim: "dims", neuron: "neurons", filter: "filters", head: "heads", entry: "entries" };

function sentence(plan) {
  const left = plan.kinds.filter((one) => one.leave);
  if (!left.length && plan.bytes[1] >= plan.bytes[0]) return `For ${plan.amount} nothing has to leave.`;
  const units = left.map((one) => `${count(one.leave)} of ${count(one.units)} ${NAMES[one.kind] ?? one.kind}`);
  const what = units.length ? units.join(", ") : "no unit; what stays is stored in fewer bits";
  return `${plan.amount}: ${percent(plan.share)} of the parameters leave: ${what}.`;
}

function sizes([before, after], name, unit = "") {
  const share = before ? after / before : 0;
  const from = before ? `of ${count(before)}${unit}, ${percent(share)} stays` : "there are none";
  return tile(name, count(after) + unit, from, before ? share : null);
}

function estimated(estimate) {
  if (!estimate) return [];
  return [lossOf(estimate)];
}

function lossOf(estimate) {
  if (estimate.rise === null) {
    return tile("Estimated loss", "not estimated", "there are too many entries to try; measure it", null);
  }
  const share = estimate.loss ? estimate.rise / estimate.loss : 0;
  const words = `${signed(estimate.rise)} (${signed(100 * share)}%) before fine-tuning; ${estimate.unit} on `
    + estimate.cases;
  return tile("Estimated loss", number(estimate.loss + estimate.rise), words, null);
}

const shape = (sizes) => (sizes.length ? sizes.map(count).join(" × ") : "1");

export function showPlan(plan) {
  say("summary", sentence(plan));
  say("plan-wrong", "");
  at("plan").hidden = false;
  at("find").hidden = true;
  at("tiles").replaceChildren(
    sizes(plan.parameters.P, "Features, P"),
    sizes(plan.parameters.Q, "Network, Q"),
    sizes(plan.parameters.all, "P + Q"),
    sizes(plan.bytes, "Weights file", " bytes"),
    ...(plan.goal ? [tile(...reached(plan.goal))] : []),
    ...estimated(plan.estimate),
  );
  table(
    at("sites"),
    [["Where", ""], ["Kind", ""], ["Units", "n"], ["Leave", "n"], ["Which leave", "long"]],
    plan.sites.map((one) => [one.name, one.kind, count(one.units), count(one.leave), one.which]),
    plan.sites.length ? "Which units leave" : "No unit leaves",
  );
  table(
    at("tensors"),
    [["Tensor", ""], ["Part", ""], ["Before", "n"], ["After", "n"], ["Bytes before", "n"], ["Bytes after", "n"],
      ["Stored as", ""]],
    plan.tensors.map((one) => [one.name, one.part, shape(one.before), shape(one.after), count(one.bytes[0]),
      count(one.bytes[1]), one.stored || "floats"]),
    plan.more ? `The largest; ${count(plan.more)} more are not shown` : "",
  );
  at("whole").replaceChildren(...plan.whole.map((one) => {
    const li = element("li");
    li.append(element("code", one.name), ` ${one.why}`);
    return li;
  }));
  if (!plan.whole.length) at("whole").append(element("li", "Nothing: every axis can get shorter."));
}

export function noPlan(words, wrong = "") {
  at("plan").hidden = at("find").hidden = true;
  say("summary", words);
  say("plan-wrong", wrong);
}

// A budget that only measuring can meet: nothing is begun before somebody asks for it.
export function noneYet(words) {
  noPlan("No plan yet.");
  at("find").hidden = false;
  at("find-words").textContent = words;
}
