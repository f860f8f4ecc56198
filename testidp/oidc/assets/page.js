// An order that somebody else decides (the control API) takes the page along; an
// answer that is a form goes by itself.
"use strict";
const answer = document.querySelector("form[data-answer]");
if (answer) {
  answer.submit();
}
const waiting = document.querySelector("[data-state]");
if (waiting) {
  // Who presses a button is on the way already: a second time there would bring the
  // answer twice.
  let pressed = false;
  document.addEventListener("submit", () => { pressed = true; });
  const look = async () => {
    try {
      const r = await fetch(waiting.dataset.state, { cache: "no-store" });
      if (r.ok && (await r.json()).state !== "pending" && !pressed) {
        location.replace(waiting.dataset.self);
        return;
      }
    } catch {
      // The next look may do better.
    }
    setTimeout(look, 1000);
  };
  setTimeout(look, 1000);
}
