// @ts-check
// Shows an answer on the page itself; without this file the form leads to it.
const MAX_SHOWN = 20000;

for (const form of document.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(/** @type {HTMLFormElement} */ (form));
  });
}

/** @param {HTMLFormElement} form */
async function ask(form) {
  const answer = /** @type {HTMLElement} */ (form.nextElementSibling);
  const pairs = [...new FormData(form)].map(([name, value]) => [name, String(value).trim()]).filter(([, value]) => value);
  let address = form.dataset.path ?? "";
  const query = new URLSearchParams();
  for (const [name, value] of pairs) {
    if (address.includes(`{${name}}`)) address = address.replace(`{${name}}`, encodeURIComponent(value));
    else query.append(name, value);
  }
  if (query.size) address += `?${query}`;
  if (address.includes("/export/")) {
    location.href = address; // a file, perhaps a large one: the browser saves it
    return;
  }
  answer.hidden = false;
  answer.replaceChildren(line("Asking …"));
  try {
    const began = performance.now();
    const response = await fetch(address);
    const took = Math.round(performance.now() - began);
    const type = response.headers.get("content-type") ?? "";
    const link = document.createElement("a");
    link.href = address;
    link.textContent = new URL(address, location.href).href;
    const head = line(`${response.status} ${response.statusText}, ${took} ms: `);
    head.append(link);
    answer.replaceChildren(head, await shown(response, type));
  } catch (error) {
    answer.replaceChildren(line(`No answer: ${error}`));
  }
}

/** @param {string} text */
function line(text) {
  const made = document.createElement("p");
  made.textContent = text;
  return made;
}

/** @param {Response} response @param {string} type */
async function shown(response, type) {
  if (type.startsWith("image/")) {
    const picture = document.createElement("img");
    picture.alt = "The slice that was asked for";
    picture.src = URL.createObjectURL(await response.blob());
    return picture;
  }
  const text = await response.text();
  const made = document.createElement("pre");
  made.tabIndex = 0;
  const whole = type.includes("json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  made.textContent = whole.length > MAX_SHOWN ? `${whole.slice(0, MAX_SHOWN)}\n… (${whole.length} characters)` : whole;
  return made;
}
