// Small things on the page: elements, numbers, tables, tiles.

export const at = (id) => document.getElementById(id);

export function element(name, text = "", kind = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

export const count = (value) => value.toLocaleString("en");

export function number(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value)) return count(value);
  return Math.abs(value) >= 1000 ? count(Math.round(value)) : String(Number(value.toPrecision(4)));
}

// With four places, so that values can be read down a column.
export const metric = (value) => (value === null || value === undefined ? "–" : value.toFixed(4));

// The difference of two of them.
export function change(value) {
  if (value === null || value === undefined) return "–";
  const words = metric(Math.abs(value));
  return (Number(words) === 0 ? "" : value > 0 ? "+" : "−") + words;
}

export function signed(value) {
  return value === null || value === undefined ? "–" : (value > 0 ? "+" : value < 0 ? "−" : "±") + number(Math.abs(value));
}

export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)}%`;

export function say(id, words) {
  at(id).textContent = words;
  at(id).hidden = !words;
}

// columns: [name, kind], where kind "n" is a number and "long" may break anywhere; rows: arrays of text or elements.
export function table(target, columns, rows, caption = "") {
  const head = element("tr");
  for (const [name, kind] of columns) {
    const th = element("th", name, kind);
    th.scope = "col";
    head.append(th);
  }
  const body = rows.map((row) => {
    const tr = element("tr");
    row.forEach((cell, place) => {
      const td = element(place ? "td" : "th", "", columns[place][1]);
      if (!place) td.scope = "row";
      td.append(cell);
      tr.append(td);
    });
    return tr;
  });
  const thead = element("thead");
  const tbody = element("tbody");
  thead.append(head);
  tbody.append(...body);
  target.replaceChildren(...(caption ? [element("caption", caption)] : []), thead, tbody);
  return target;
}

function bar(share) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 100 4");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  for (const [kind, width] of [["before", 100], ["after", 100 * Math.min(share, 1)]]) {
    const rect = document.createElementNS(space, "rect");
    rect.setAttribute("class", kind);
    rect.setAttribute("width", width);
    rect.setAttribute("height", 4);
    svg.append(rect);
  }
  return svg;
}

// One number before and after; share: how much of a bar is full, null for none.
export function tile(name, big, from, share = null) {
  const li = element("li");
  li.append(element("span", name, "name"), element("span", big, "big"), element("span", from, "from"));
  if (share !== null) li.append(bar(share));
  return li;
}
