"use strict";

const at = (id) => document.getElementById(id);
const element = (name, text = "", kind = "") => {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
};

async function call(path, body) {
  const headers = {};
  if (at("token").value) headers.Authorization = "Bearer " + at("token").value;
  if (body) headers["Content-Type"] = "application/json";
  const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  if (answer.status === 401) at("gate").hidden = false;
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.message);
  return said;
}

const size = (facts) =>
  `${facts.model}, ${facts.parameters.toLocaleString()} parameters, ${facts.bytes.toLocaleString()} bytes`;

function column(title, facts, list, other) {
  const part = element("section");
  part.append(element("h2", title), element("p", size(facts), "facts"));
  if (list.fallback) part.append(element("p", "Nothing is known of this user: what most users had.", "facts"));
  const ol = element("ol");
  list.items.forEach((item, place) => {
    const li = element("li", item, other && other.items.includes(item) ? "same" : "");
    li.append(element("small", list.scores[place].toPrecision(4)));
    ol.append(li);
  });
  part.append(ol);
  return part;
}

async function ask() {
  at("said").textContent = "";
  at("lists").replaceChildren();
  try {
    const about = await call("about");
    if (!about.lists) throw new Error("This model gives no lists: it scores rows, at /score.");
    const body = { user: at("user").value, k: at("k").valueAsNumber };
    if (!about.against) {
      at("lists").append(column("Recommended", about.model, await call("recommend", body)));
      return;
    }
    const [pruned, dense] = await Promise.all([call("recommend", body), call("against", body)]);
    const same = pruned.items.filter((item) => dense.items.includes(item)).length;
    at("lists").append(column("Dense", about.against, dense, pruned), column("Pruned", about.model, pruned, dense));
    at("said").textContent = `${same} of ${pruned.items.length} items stand in both lists.`;
  } catch (error) {
    at("said").textContent = error.message;
  }
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = encodeURIComponent(at("user").value);
  ask();
});

if (location.hash.length > 1) {
  at("user").value = decodeURIComponent(location.hash.slice(1));
  ask();
}
