// @ts-check
// A movie waits for who asked for less motion.
if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
  for (const video of document.querySelectorAll("video")) {
    video.autoplay = false;
    video.pause();
  }
}

// Pictures of the strip open large, in place; without this file they open as pages of their own.
const links = [...document.querySelectorAll("[data-lightbox]")];
if (links.length && "showModal" in HTMLDialogElement.prototype) {
  const dialog = document.createElement("dialog");
  dialog.className = "lightbox";
  dialog.setAttribute("aria-label", "Snapshots");
  const picture = document.createElement("img");
  const caption = document.createElement("p");
  const close = document.createElement("button");
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.append(picture, caption, close);
  document.body.append(dialog);
  let at = 0;
  const show = (index) => {
    at = (index + links.length) % links.length;
    const small = links[at].querySelector("img");
    picture.src = links[at].href;
    picture.alt = small.alt;
    caption.textContent = `${small.alt} (${at + 1} of ${links.length})`;
  };
  links.forEach((link, index) =>
    link.addEventListener("click", (event) => {
      event.preventDefault();
      show(index);
      dialog.showModal();
    }),
  );
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowRight") show(at + 1);
    if (event.key === "ArrowLeft") show(at - 1);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
}
