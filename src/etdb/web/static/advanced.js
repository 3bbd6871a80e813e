// @ts-check
// Rows are added and dropped in place, and only the comparisons that a field has are offered.
// Without this file the server does the one and says the other.

const form = /** @type {HTMLFormElement | null} */ (document.getElementById("rows"));

/** @param {HTMLElement} row @param {string} name */
const part = (row, name) => /** @type {HTMLSelectElement} */ (row.querySelector(`[name=${name}]`));

/** @param {HTMLElement} row */
function fit(row) {
  const field = part(row, "field");
  const known = (field.selectedOptions[0].dataset.operators ?? "").split(" ");
  const operator = part(row, "operator");
  for (const option of operator.options) option.hidden = option.disabled = !known.includes(option.value);
  if (!known.includes(operator.value)) operator.value = known[0];
  part(row, "high").hidden = operator.value !== "between";
  part(row, "value").setAttribute("list", `values-${field.value}`);
}

/** Say each row's number where assistive technology reads it; the first row has nothing to be joined to. */
function number() {
  const rows = [...(form?.querySelectorAll(".row") ?? [])];
  rows.forEach((row, index) => {
    for (const one of row.querySelectorAll("[aria-label]")) {
      one.setAttribute("aria-label", (one.getAttribute("aria-label") ?? "").replace(/\d+$/, String(index + 1)));
    }
    const legend = row.querySelector("legend");
    if (legend) legend.textContent = `Condition ${index + 1}`;
    /** @type {HTMLButtonElement} */ (row.querySelector("button")).value = `remove-${index}`;
  });
}

form?.addEventListener("change", (event) => {
  const row = /** @type {HTMLElement} */ (event.target).closest(".row");
  if (row instanceof HTMLElement) fit(row);
});

form?.addEventListener("click", (event) => {
  const button = /** @type {HTMLElement} */ (event.target).closest("button");
  const rows = form.querySelectorAll(".row");
  if (button?.value === "add" && rows.length < Number(form.dataset.most)) {
    event.preventDefault();
    const row = /** @type {HTMLElement} */ (rows[rows.length - 1].cloneNode(true));
    for (const input of row.querySelectorAll("input")) input.value = "";
    rows[rows.length - 1].after(row);
    number();
    fit(row);
    part(row, "field").focus();
  } else if (button?.value.startsWith("remove-") && rows.length > 1) {
    event.preventDefault();
    const row = /** @type {HTMLElement} */ (button.closest(".row"));
    const next = row.nextElementSibling?.matches(".row") ? row.nextElementSibling : row.previousElementSibling;
    row.remove();
    number();
    if (next instanceof HTMLElement) part(next, "field").focus();
  }
});

for (const row of form?.querySelectorAll(".row") ?? []) fit(/** @type {HTMLElement} */ (row));
