// The slice viewer of a page: opened in its place as soon as that comes into sight.

import { element } from "./bar.js";
import { Viewer } from "./controller.js";

async function loadJson(url) {
  const answer = await fetch(url).catch(() => null);
  return answer?.ok ? answer.json().catch(() => null) : null;
}

/** Opens the viewer in its place as soon as that comes into sight. In a frame the page around is left where it is;
 * `data-page` then is the page that links to a view lead to. */
export function mount(root) {
  const begin = async () => {
    const url = root.dataset.volumes;
    const [volumes, models] = await Promise.all([loadJson(url), loadJson(url.replace(/volumes$/, "models"))]);
    if (!volumes) {
      root.replaceChildren(element("p", { class: "empty" }, "The portal does not answer; reload the page to try again."));
    } else if (volumes.every((one) => one.reason)) {
      const lines = volumes.map((one) => element("p", {}, element("code", {}, one.path), `: ${one.reason}`));
      root.replaceChildren(element("div", { class: "empty" }, element("p", {}, "No volume of this dataset can be sliced here."), ...lines));
    } else {
      root.replaceChildren();
      root.viewer = new Viewer(root, volumes, models ?? []);
      root.dataset.ready = "true";
    }
  };
  if (location.hash.startsWith("#view:") && !root.dataset.page) {
    root.scrollIntoView();
    begin();
    return;
  }
  const seen = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) {
        seen.disconnect();
        begin();
      }
    },
    { rootMargin: "200px" },
  );
  seen.observe(root);
}

for (const root of document.querySelectorAll("[data-viewer]")) mount(root);
