// Hands on a pane: wheel, mouse, fingers and keys as what they mean.

const SLICE_PIXELS = 5; // of a drag with Shift
const TRACKPAD_PIXELS = 30;

/**
 * @param {import("./pane.js").Pane} pane
 * @param {{step: Function, zoom: Function, pan: Function, aim: Function, end: Function, key: Function}} acts
 */
export function listen(pane, acts) {
  const { canvas } = pane;
  const touches = new Map();
  let moved = 0;
  let spread = 0;
  let rolled = 0;
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) {
        acts.zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(0.25, Math.abs(event.deltaY) / 400)), event.clientX, event.clientY);
        return;
      }
      // A notch of a wheel is a slice; a trackpad sends many small ones.
      const by = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
      if (Math.abs(by) >= 50) rolled = 0;
      rolled += by;
      const steps = Math.abs(by) >= 50 ? Math.sign(by) : Math.trunc(rolled / TRACKPAD_PIXELS);
      if (!steps) return;
      rolled = Math.abs(by) >= 50 ? 0 : rolled - steps * TRACKPAD_PIXELS;
      acts.step(-steps);
    },
    { passive: false },
  );
  canvas.addEventListener("pointerdown", (event) => {
    try {
      canvas.setPointerCapture(event.pointerId);
    } catch {
      // The finger is gone already.
    }
    touches.set(event.pointerId, event);
    moved = touches.size > 1 ? Infinity : 0; // two fingers never set the cross-hair
    spread = distance(touches);
    rolled = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = touches.get(event.pointerId);
    if (!before) return;
    touches.set(event.pointerId, event);
    const [dx, dy] = [event.clientX - before.clientX, event.clientY - before.clientY];
    moved += Math.abs(dx) + Math.abs(dy);
    if (touches.size === 2) {
      const now = distance(touches);
      const [a, b] = [...touches.values()];
      if (spread > 0) acts.zoom(now / spread, (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
      acts.pan(dx / 2, dy / 2);
      spread = now;
    } else if (event.shiftKey) {
      rolled += dy;
      const steps = Math.trunc(rolled / SLICE_PIXELS);
      rolled -= steps * SLICE_PIXELS;
      if (steps) acts.step(-steps);
    } else {
      acts.pan(dx, dy);
    }
  });
  const up = (event) => {
    if (!touches.delete(event.pointerId)) return;
    if (moved < 4 && event.type === "pointerup") acts.aim(event.clientX, event.clientY);
    else acts.end();
    spread = distance(touches);
  };
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointercancel", up);
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (acts.key(event.key, event.shiftKey ? 10 : 1)) event.preventDefault();
  });
}

function distance(touches) {
  if (touches.size !== 2) return 0;
  const [a, b] = [...touches.values()];
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}
