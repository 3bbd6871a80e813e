// The slice viewer: three planes of a volume with a common cross-hair, or the projections of a tilt series one by one.

import { canCheck, checkedSection } from "./check.js";
import { Pane } from "./pane.js";
import { SliceSource } from "./slices.js";
import { firstView, lengthText, readView, within, writeView } from "./state.js";

const PANES = {
  xy: { horizontal: "x", vertical: "y", upright: "z" },
  zy: { horizontal: "z", vertical: "y", upright: "x" },
  xz: { horizontal: "x", vertical: "z", upright: "y" },
};
const DIMENSION = { z: 0, y: 1, x: 2 };

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in made && typeof value !== "string") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

class Viewer {
  /** @param {HTMLElement} root @param {object[]} volumes */
  constructor(root, volumes) {
    this.root = root;
    this.volumes = volumes;
    this.panes = {};
    this.build();
    const first = (n) => (volumes[n] ? this.middle(n) : null);
    this.view = readView(location.hash, first) ?? first(0);
    this.open(this.view.volume);
    new ResizeObserver(() => this.resized()).observe(this.stage);
    addEventListener("hashchange", () => {
      const asked = readView(location.hash, first);
      if (asked && writeView(asked) !== writeView(this.view)) this.look(asked);
    });
  }

  middle(n) {
    return firstView(n, this.volumes[n].shape, this.isStack(n));
  }

  isStack(n) {
    const volume = this.volumes[n];
    return volume.tilt_angles_deg.length > 0 || volume.role.endsWith("tilt_series");
  }

  get volume() {
    return this.volumes[this.view.volume];
  }

  // -- what is seen

  build() {
    const button = (text, label, act, attributes = {}) => {
      const made = element("button", { type: "button", class: "tool", "aria-label": label, title: label, ...attributes }, text);
      made.addEventListener("click", act);
      return made;
    };
    this.select = element("select", { "aria-label": "Volume" });
    this.volumes.forEach((volume, n) => this.select.append(element("option", { value: String(n) }, volume.path)));
    this.select.addEventListener("change", () => this.look(this.middle(Number(this.select.value))));
    this.thickness = element("select", { "aria-label": "Slice thickness" });
    for (const n of [1, 3, 5, 9, 15, 31, 63]) this.thickness.append(element("option", { value: String(n) }, `${n} slice${n > 1 ? "s" : ""}`));
    this.thickness.addEventListener("change", () => this.change({ thickness: Number(this.thickness.value) }));
    this.projection = element("select", { "aria-label": "How slices are put together" }, element("option", { value: "mean" }, "average"), element("option", { value: "max" }, "maximum"));
    this.projection.addEventListener("change", () => this.change({ projection: this.projection.value }));
    this.low = element("input", { type: "range", min: "0", max: "1000", "aria-label": "Black" });
    this.high = element("input", { type: "range", min: "0", max: "1000", "aria-label": "White" });
    for (const slider of [this.low, this.high]) slider.addEventListener("input", () => this.contrast());
    this.checkBox = element("input", { type: "checkbox" });
    this.checkBox.addEventListener("change", () => this.refresh());
    this.orthoButton = button("▦", "Three planes", () => this.change({ ortho: !this.view.ortho }));
    const bar = element(
      "div",
      { class: "viewer-bar", role: "toolbar", "aria-label": "Viewer" },
      this.select,
      this.thickness,
      this.projection,
      element("label", { class: "contrast" }, "Contrast ", this.low, this.high),
      button("Auto", "Auto contrast", () => this.change({ black: null, white: null })),
      this.orthoButton,
      button("−", "Zoom out", () => this.zoom(1 / 1.4)),
      button("+", "Zoom in", () => this.zoom(1.4)),
      button("Fit", "Fit the picture", () => this.fit()),
      button("PNG", "Save the picture as PNG", () => this.save()),
      button("Link", "Copy a link to this view", () => this.copyLink()),
      button("⛶", "Full screen", () => this.fullScreen()),
      element("label", { class: "check", title: "Fetch each section as an archive of blocks and hash it here" }, this.checkBox, " check bytes"),
    );
    this.stage = element("div", { class: "viewer-stage" });
    for (const [name, axes] of Object.entries(PANES)) {
      const canvas = element("canvas", { class: `pane pane-${name}`, tabindex: "0", role: "img", "aria-label": `Plane ${name}` });
      this.panes[name] = new Pane(canvas, axes);
      this.stage.append(canvas);
      this.listen(name, canvas);
    }
    this.slider = element("input", { type: "range", min: "0", class: "viewer-slider", "aria-label": "Slice" });
    this.slider.addEventListener("input", () => this.change({ z: Number(this.slider.value) }));
    this.status = element("p", { class: "viewer-status", role: "status" });
    this.help = element("p", { class: "viewer-help" }, "Wheel or ↑ ↓: slices. Drag: move. Ctrl and wheel, or pinch: zoom. Click: cross-hair. F: full screen, A: contrast, R: fit.");
    this.root.append(bar, this.stage, this.slider, this.status, this.help);
  }

  open(n) {
    this.source?.close();
    this.source = new SliceSource(this.volumes[n]);
    this.view = within(this.view, this.volumes[n].shape);
    this.select.value = String(n);
    const [sections, rows, columns] = this.volume.shape;
    const spacing = this.volume.voxel_spacing_angstrom;
    const size = { x: columns, y: rows, z: sections };
    const width = spacing ? { x: spacing[0], y: spacing[1], z: spacing[2] } : { x: 1, y: 1, z: 1 };
    for (const pane of Object.values(this.panes)) {
      const { horizontal, vertical } = pane.axes;
      pane.bitmap = null;
      pane.extent = [size[horizontal], size[vertical]];
      pane.aspect = width[vertical] / width[horizontal];
      pane.spacing = spacing ? width[horizontal] : null;
    }
    this.slider.max = String(sections - 1);
    // Half as much again on each side of what suits the volume can be chosen by hand.
    const { black, white } = this.volume;
    const wide = white - black || 1;
    this.contrastRange = [black - wide / 2, white + wide / 2];
    this.resized(true);
    this.refresh();
  }

  look(view) {
    const other = view.volume !== this.view.volume;
    this.view = within(view, this.volumes[view.volume].shape);
    if (other) this.open(view.volume);
    else this.refresh();
  }

  change(parts) {
    this.view = within({ ...this.view, ...parts }, this.volume.shape);
    this.refresh();
  }

  get shownPanes() {
    return this.view.ortho ? ["xy", "zy", "xz"] : ["xy"];
  }

  refresh() {
    const { view } = this;
    this.stage.classList.toggle("single", !view.ortho);
    this.orthoButton.setAttribute("aria-pressed", String(view.ortho));
    this.orthoButton.disabled = this.isStack(view.volume);
    this.thickness.value = String([1, 3, 5, 9, 15, 31, 63].reduce((a, b) => (Math.abs(b - view.thickness) < Math.abs(a - view.thickness) ? b : a)));
    this.projection.value = view.projection;
    this.projection.disabled = view.thickness === 1;
    this.slider.value = String(view.z);
    this.showContrast();
    this.checkBox.disabled = !canCheck(this.volume);
    history.replaceState(null, "", "#" + writeView(view));
    if (this.resized()) return;
    for (const name of this.shownPanes) this.load(name);
    this.tell();
  }

  /** Takes the sizes of the boxes; true when that led to a refresh. */
  resized(force = false) {
    let changed = force;
    for (const pane of Object.values(this.panes)) changed = pane.resize() || changed;
    if (changed) {
      for (const pane of Object.values(this.panes)) {
        pane.fit();
        if (this.view.zoom > 0) pane.scale = this.view.zoom * (window.devicePixelRatio || 1);
        pane.draw();
      }
      if (!force) for (const name of this.shownPanes) this.load(name);
    }
    return false;
  }

  async load(name) {
    const pane = this.panes[name];
    const axis = pane.axes.upright;
    const index = this.view[axis];
    this.aim(pane);
    pane.label = name === "xy" ? this.label() : name === "zy" ? `x ${index + 1}` : `y ${index + 1}`;
    const draw = (bitmap) => {
      pane.bitmap = bitmap;
      pane.draw();
    };
    pane.draw();
    try {
      if (name === "xy" && this.checkBox.checked) {
        await this.loadChecked(pane, index, draw);
      } else {
        const sharp = await this.source.show(name, axis, index, this.view, draw);
        if (sharp && name === "xy") {
          this.root.dataset.sharp = String(index);
          const extent = this.volume.shape[DIMENSION[axis]];
          this.source.prefetch(axis, [index + 1, index - 1].filter((n) => n >= 0 && n < extent), this.view);
        }
      }
    } catch (error) {
      this.say(error.message, true);
    }
  }

  async loadChecked(pane, index, draw) {
    this.checking?.abort();
    this.checking = new AbortController();
    const { signal } = this.checking;
    this.say(`checking section ${index + 1} …`);
    try {
      const [black, white] = this.levels();
      const found = await checkedSection(this.volume, index, black, white, signal);
      if (signal.aborted) return;
      draw(found.bitmap);
      this.root.dataset.checked = "held";
      this.say(`✓ section ${index + 1} checked here: ${found.blocks} blocks, ${Math.round(found.bytes / 1e3).toLocaleString("en")} kB, hash to ${this.volume.cid.slice(0, 16)}…`);
    } catch (error) {
      if (error.name === "AbortError") return;
      pane.bitmap = null;
      pane.draw();
      this.root.dataset.checked = "failed";
      this.say(`✗ section ${index + 1} is not what was published: ${error.message}`, true);
    }
  }

  /** The cross-hair of a pane, as it is drawn: y and z go upwards. */
  aim(pane) {
    const { horizontal, vertical } = pane.axes;
    const [, down] = pane.extent;
    pane.cross = this.view.ortho ? [this.view[horizontal], down - 1 - this.view[vertical]] : null;
  }

  label() {
    const { z } = this.view;
    const angle = this.volume.tilt_angles_deg[z];
    const sections = this.volume.shape[0];
    if (angle !== undefined) return `${angle.toFixed(1).replace("-", "−")}°   (${z + 1} of ${sections})`;
    const spacing = this.volume.voxel_spacing_angstrom;
    return `z ${z + 1} of ${sections}` + (spacing ? `, ${lengthText(z * spacing[2])}` : "");
  }

  tell() {
    const { shape, voxel_spacing_angstrom: spacing, data_type: type } = this.volume;
    const [sections, rows, columns] = shape;
    const size = `${columns} × ${rows} × ${sections}, ${type}`;
    if (!this.checkBox.checked) this.say(size + (spacing ? `, ${Number(spacing[0].toPrecision(4))} Å a voxel` : ", voxel size not known"));
  }

  say(text, isTrouble = false) {
    this.status.textContent = text;
    this.status.classList.toggle("trouble", isTrouble);
  }

  // -- contrast

  levels() {
    return [this.view.black ?? this.volume.black, this.view.white ?? this.volume.white];
  }

  showContrast() {
    const [low, high] = this.contrastRange;
    const [black, white] = this.levels();
    this.low.value = String(Math.round(((black - low) / (high - low)) * 1000));
    this.high.value = String(Math.round(((white - low) / (high - low)) * 1000));
  }

  contrast() {
    const [low, high] = this.contrastRange;
    const at = (slider) => low + ((high - low) * Number(slider.value)) / 1000;
    let [black, white] = [at(this.low), at(this.high)];
    if (white <= black) white = black + (high - low) / 1000;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.change({ black: Number(black.toPrecision(6)), white: Number(white.toPrecision(6)) }), 60);
  }

  // -- moving

  step(count, axis = "z") {
    this.change({ [axis]: this.view[axis] + count });
  }

  zoom(factor, pane = this.panes.xy, x, y) {
    const box = pane.canvas.getBoundingClientRect();
    pane.zoomAt(factor, x ?? box.left + box.width / 2, y ?? box.top + box.height / 2);
    if (pane === this.panes.xy) this.view.zoom = pane.scale / (window.devicePixelRatio || 1);
    pane.draw();
    history.replaceState(null, "", "#" + writeView(this.view));
  }

  fit() {
    this.view.zoom = 0;
    for (const pane of Object.values(this.panes)) {
      pane.fit();
      pane.draw();
    }
    history.replaceState(null, "", "#" + writeView(this.view));
  }

  listen(name, canvas) {
    const pane = this.panes[name];
    const touches = new Map();
    let moved = 0;
    let spread = 0;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) this.zoom(event.deltaY < 0 ? 1.15 : 1 / 1.15, pane, event.clientX, event.clientY);
      else this.step(event.deltaY > 0 ? -1 : 1, pane.axes.upright);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      touches.set(event.pointerId, event);
      moved = 0;
      spread = this.spread(touches);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = touches.get(event.pointerId);
      if (!before) return;
      touches.set(event.pointerId, event);
      moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
      if (touches.size === 2) {
        const now = this.spread(touches);
        const [a, b] = [...touches.values()];
        if (spread > 0) this.zoom(now / spread, pane, (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
        spread = now;
      } else {
        pane.pan(event.clientX - before.clientX, event.clientY - before.clientY);
        pane.draw();
      }
    });
    const up = (event) => {
      if (touches.delete(event.pointerId) && moved < 4 && event.type === "pointerup" && this.view.ortho) {
        const [across, down] = pane.place(event.clientX, event.clientY);
        const { horizontal, vertical } = pane.axes;
        this.change({ [horizontal]: Math.floor(across), [vertical]: pane.extent[1] - 1 - Math.floor(down) });
      }
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("keydown", (event) => {
      const big = event.shiftKey ? 10 : 1;
      const acts = {
        ArrowUp: () => this.step(big, pane.axes.upright),
        ArrowDown: () => this.step(-big, pane.axes.upright),
        PageUp: () => this.step(10, pane.axes.upright),
        PageDown: () => this.step(-10, pane.axes.upright),
        Home: () => this.change({ [pane.axes.upright]: 0 }),
        End: () => this.change({ [pane.axes.upright]: 1e9 }),
        ArrowLeft: () => this.nudge(pane, 40 * big, 0),
        ArrowRight: () => this.nudge(pane, -40 * big, 0),
        "+": () => this.zoom(1.25, pane),
        "=": () => this.zoom(1.25, pane),
        "-": () => this.zoom(1 / 1.25, pane),
        f: () => this.fullScreen(),
        a: () => this.change({ black: null, white: null }),
        r: () => this.fit(),
      };
      const act = acts[event.key] ?? acts[event.key.toLowerCase()];
      if (act && !event.ctrlKey && !event.metaKey && !event.altKey) {
        event.preventDefault();
        act();
      }
    });
  }

  nudge(pane, dx, dy) {
    pane.pan(dx, dy);
    pane.draw();
  }

  spread(touches) {
    if (touches.size !== 2) return 0;
    const [a, b] = [...touches.values()];
    return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
  }

  // -- taking with one

  save() {
    const { canvas } = this.panes.xy;
    canvas.toBlob((blob) => {
      const link = element("a", { href: URL.createObjectURL(blob), download: `${this.volume.path.replace(/.*\//, "")}-z${this.view.z + 1}.png` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }, "image/png");
  }

  async copyLink() {
    const address = location.href;
    try {
      await navigator.clipboard.writeText(address);
      this.say("the link to this view is on the clipboard");
    } catch {
      this.say(address);
    }
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }
}

/** Opens the viewer in its place as soon as that comes into sight. */
export function mount(root) {
  const begin = async () => {
    const answer = await fetch(root.dataset.volumes).catch(() => null);
    const volumes = answer?.ok ? await answer.json() : [];
    if (volumes.length === 0) {
      root.replaceChildren(element("p", { class: "empty" }, "No volume of this dataset is on this machine; it can be downloaded."));
      return;
    }
    root.replaceChildren();
    root.viewer = new Viewer(root, volumes);
    root.dataset.ready = "true";
  };
  if (location.hash.startsWith("#view:")) {
    root.scrollIntoView();
    begin();
    return;
  }
  const seen = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      seen.disconnect();
      begin();
    }
  }, { rootMargin: "200px" });
  seen.observe(root);
}

for (const root of document.querySelectorAll("[data-viewer]")) mount(root);
