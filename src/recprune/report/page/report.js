"use strict";
(() => {
  const root = document.documentElement;
  const dots = [...document.querySelectorAll("a.dot")];
  const panels = [...document.querySelectorAll(".panel")];
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  root.classList.add("js");

  const keyOf = (dot) => dot.getAttribute("href").slice(1);
  const choose = (key) => {
    for (const panel of panels) panel.classList.toggle("on", panel.id === key);
    for (const dot of dots) {
      if (keyOf(dot) === key) dot.setAttribute("aria-current", "true");
      else dot.removeAttribute("aria-current");
    }
  };
  const show = (dot) => {
    const box = dot.querySelector(".hit").getBoundingClientRect();
    tip.textContent = dot.getAttribute("aria-label").replaceAll("; ", "\n");
    tip.hidden = false;
    const left = Math.min(Math.max(8, box.x + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
    const above = box.y - tip.offsetHeight - 6;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : box.y + box.height + 6}px`;
  };
  const hide = () => { tip.hidden = true; };

  for (const dot of dots) {
    dot.querySelector("title")?.remove();
    dot.addEventListener("pointerenter", () => show(dot));
    dot.addEventListener("focus", () => show(dot));
    dot.addEventListener("pointerleave", hide);
    dot.addEventListener("blur", hide);
    dot.addEventListener("click", (event) => {
      event.preventDefault();
      choose(keyOf(dot));
    });
  }
  addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", hide, { passive: true });
  addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });
  const asked = location.hash.slice(1);
  if (panels.length) choose(panels.some((panel) => panel.id === asked) ? asked : "model-after");
})();
