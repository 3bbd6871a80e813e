// Filters apply as soon as they are chosen; without this file the button does it.
const form = document.getElementById("filters");
const sort = document.getElementById("sort");

function send(target) {
  for (const field of target.querySelectorAll("input, select")) {
    if (field.value === "") field.disabled = true; // shorter addresses
  }
  target.requestSubmit();
}

form?.addEventListener("change", (event) => {
  if (event.target.matches("input[type=checkbox]")) send(form);
});
sort?.querySelector("button")?.setAttribute("hidden", "");
sort?.addEventListener("change", () => send(sort));
addEventListener("pageshow", () => {
  for (const field of document.querySelectorAll("#filters [disabled], #sort [disabled]")) field.disabled = false;
});
