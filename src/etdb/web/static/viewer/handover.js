// The way over to Neuroglancer, or the words why there is none.

import { neuroglancerUrl } from "./state.js";

/** Why a volume cannot be opened there as far as the portal knows; "" when it can. @param {object} volume */
export function whyNotOpened(volume) {
  if (!volume.zarr_url) return "the portal does not hold this file, and Neuroglancer reads it in pieces from there; download it instead";
  if (!volume.neuroglancer_url) return "it is not installed on this portal; whoever runs it does pip install 'etdb[neuroglancer]'";
  return "";
}

/** Points the link to where the view is. @param {HTMLAnchorElement} link @param {object} volume @param {object} view */
export function offerNeuroglancer(link, volume, view) {
  const why = whyNotOpened(volume);
  link.href = why ? "#" : neuroglancerUrl(location.origin, volume, view);
  link.setAttribute("aria-disabled", String(Boolean(why)));
  link.title = why ? `Neuroglancer cannot open this: ${why}` : "Open this view in Neuroglancer";
}

/** Stops a click that would lead nowhere, and says why. @param {Event} event @param {object} volume @param {(words: string[]) => void} say */
export function stopOrGo(event, volume, say) {
  const why = whyNotOpened(volume) || (canDrawThere() ? "" : "this browser has no WebGL 2, with which it draws; it may be switched off in its settings");
  if (!why) return;
  event.preventDefault();
  say([`Neuroglancer cannot open this: ${why}.`]);
}

/** Asked at a click only: the answer costs a context of the graphics card. */
function canDrawThere() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}
