// What was measured, what a user gets, and what was written.

import { at, change, count, element, metric, number, table } from "./parts.js";

function spread(value, low, high) {
  const made = element("span", value);
  made.append(element("small", `${low} to ${high}`, "range"));
  return made;
}

const milliseconds = (speed) => spread(number(speed.median), number(speed.low), number(speed.high));

function range(one) {
  return one && one.low !== null ? spread(change(one.value), change(one.low), change(one.high)) : change(one?.value);
}

const TONES = { better: "good", worse: "bad" };

function verdict(one) {
  const said = one?.verdict === "open" ? "not told apart" : one?.verdict ?? "";
  return element("span", said, TONES[said] ?? "");
}

function framed(made, name) {
  const frame = element("div", "", "scroll");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", name);
  frame.append(made);
  return frame;
}

function timeOf(name, rows) {
  const of = rows === 1 ? "a request" : `for ${count(rows)}`;
  return name === "asked" ? `ms ${of}, on one thread, as asked` : `ms ${of}`;
}

export function showMeasured(found, plan, current) {
  const { before, after, times } = found;
  const differences = Object.fromEntries(found.differences.map((one) => [one.metric, one]));
  const rows = [
    ["features P", count(before.features), count(after.features), "", ""],
    ["network Q", count(before.network), count(after.network), "", ""],
    ["bytes of all tensors", count(before.bytes), count(after.bytes), "", ""],
    ...Object.entries(times).map(([name, one]) => [
      timeOf(name, one.before.rows),
      milliseconds(one.before), milliseconds(one.after), `${one.ratio.median.toFixed(2)} ×`, "as fast",
    ]),
    ...Object.keys(before.metrics).map((name) => [
      name, metric(before.metrics[name]), metric(after.metrics[name]), range(differences[name]), verdict(differences[name]),
    ]),
  ];
  const caption = `On ${found.part === "valid" ? "validation" : found.part}, ${count(found.cases)} ${found.unit}s; `
    + `intervals of ${100 * found.level}%`;
  const columns = [["What", ""], ["Before", "n"], ["After", "n"], ["Difference", "n"], ["Verdict", ""]];
  const frame = framed(table(element("table"), columns, rows, caption), "Measured before and after");
  const of = current ? `Measured: ${plan}. ` : `This was measured for another plan: ${plan}. `;
  if (at("verdict").textContent !== of + found.verdict) at("verdict").textContent = of + found.verdict;
  const points = element("ul", "", "soft");
  points.append(...found.losses.map((words) => element("li", words)));
  at("measured").replaceChildren(frame, points);
}

// Everything that was measured since the page was opened, the latest first.
export function showSoFar(all) {
  if (all.length < 2) return;
  const { headline } = all[0];
  const rows = all.map((one) => [
    one.words, count(one.bytes), metric(one.after.metrics[headline]), number(one.times.request.after.median),
  ]);
  const columns = [["Plan", ""], ["Weights file", "n"], [headline, "n"], ["ms a request", "n"]];
  const words = "Measured so far";
  at("so-far").replaceChildren(framed(table(element("table"), columns, rows, words), words));
}

function listed(title, list, other, had) {
  const part = element("div");
  part.append(element("h3", title));
  if (list.fallback) part.append(element("p", "Nothing is known of this user: what most users had.", "soft"));
  const ol = element("ol");
  list.items.forEach((item, place) => {
    const kinds = [other.items.includes(item) ? "same" : "", had.includes(item) ? "had" : ""];
    const li = element("li", item + (had.includes(item) ? " ✓" : ""), kinds.join(" ").trim());
    li.append(element("small", number(list.scores[place])));
    ol.append(li);
  });
  part.append(ol);
  return part;
}

export function showBoth(given) {
  if (given.lists) {
    const { before, after } = given.lists;
    at("both").replaceChildren(listed("Large", before, after, given.had), listed("Small", after, before, given.had));
    const same = after.items.filter((item) => before.items.includes(item)).length;
    at("lists-said").textContent = `${same} of ${after.items.length} items stand in both lists (shaded); ✓ is what the `
      + "user had in validation.";
    return;
  }
  const { rows } = given;
  const columns = [["Item", "long"], [rows.target || "truth", "n"], ["Large", "n"], ["Small", "n"]];
  const lines = rows.before.map((value, place) => [
    rows.items[place] ?? String(place + 1), number(rows.truth[place]), number(value), number(rows.after[place]),
  ]);
  const words = "Rows of the user in validation";
  at("both").replaceChildren(framed(table(element("table"), columns, lines, words), words));
  at("lists-said").textContent = lines.length ? "" : "This user has no row in validation.";
}

function command(words, text) {
  const line = element("div", "", "command");
  const copy = element("button", "Copy", "plain");
  copy.type = "button";
  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(text).then(() => { copy.textContent = "Copied"; }, () => {});
  });
  line.append(element("code", text), copy);
  return [element("p", words, "soft"), line];
}

export function showApplied(found) {
  const proof = found.proof ? `Proof: ${found.proof}.` : "";
  at("written").replaceChildren(
    "The smaller model lies in ", element("code", found.folder), ` (${count(found.bytes)} bytes). ${proof}`,
  );
  at("applied").replaceChildren(
    ...command("A page to read and to pass on. It opens the test part: make it when you have decided.", found.commands.report),
    ...command("Everything that the folder says of itself, found again:", found.commands.verify),
  );
}
