// Everything works without this file but for the drawing of charts.
"use strict";

// A menu closes when something else is clicked, or with Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// While the next page is on its way a line at the top says so.
const root = document.documentElement;
window.addEventListener("pageshow", () => root.classList.remove("loading"));
document.addEventListener("submit", () => root.classList.add("loading"));
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey && event.button === 0;
  if (link && plain && !event.defaultPrevented && !link.hasAttribute("download") && !link.target && !link.getAttribute("href").startsWith("#")) {
    root.classList.add("loading");
  }
});

// Browsers keep whole pages to go back to. What was kept may show what the key no
// longer opens, or what was seen before signing out.
window.addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
