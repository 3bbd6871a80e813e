// The viewer's head: three planes of a volume with a common cross-hair, or the projections of a tilt series one by one.

import { Annotations } from "./annotations.js";
import { buildBar, element, savePicture, THICKNESSES } from "./bar.js";
import { archiveUrl, checkedSection, ONE_PLANE, whyNotChecked } from "./check.js";
import { listen } from "./gestures.js";
import { offerNeuroglancer, stopOrGo } from "./handover.js";
import { Pane } from "./pane.js";
import { SliceSource } from "./slices.js";
import { firstView, fittingBinning, lengthText, readView, within, writeView } from "./state.js";

const PANES = {
  xy: { horizontal: "x", vertical: "y", upright: "z" },
  zy: { horizontal: "z", vertical: "y", upright: "x" },
  xz: { horizontal: "x", vertical: "z", upright: "y" },
};
const DIMENSION = { z: 0, y: 1, x: 2 };
const PATIENCE_MS = 3000;
const ADDRESS_MS = 250;

export class Viewer {
  /** @param {HTMLElement} root @param {object[]} volumes @param {object[]} models */
  constructor(root, volumes, models) {
    this.root = root;
    this.volumes = volumes.filter((one) => !one.reason);
    this.unshown = volumes.filter((one) => one.reason);
    this.annotations = new Annotations(models, {
      tick: (chosen) => this.change({ models: chosen }),
      arrived: () => this.annotated(),
    });
    this.panes = {};
    this.waits = new Map();
    this.trouble = new Map();
    this.build(models);
    const first = (n) => (this.volumes[n] ? this.middle(n) : null);
    this.view = readView(location.hash, first) ?? first(0);
    this.open(this.view.volume);
    new ResizeObserver(() => this.resized()).observe(this.stage);
    this.watchRatio();
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

  get isChecking() {
    return this.bar.check.checked;
  }

  // -- what is seen

  build(models) {
    this.bar = buildBar(this.volumes, {
      volume: (n) => this.look({ ...this.middle(n), models: this.view.models }),
      thickness: (n) => this.change({ thickness: n }),
      projection: (name) => this.change({ projection: name }),
      contrast: () => this.contrast(),
      auto: () => this.change({ black: null, white: null }),
      check: () => this.change({}),
      ortho: () => this.change({ ortho: !this.view.ortho }),
      zoom: (factor) => this.zoom(this.panes.xy, factor),
      fit: () => this.fit(),
      save: () => this.save(),
      link: () => this.copyLink(),
      full: () => this.fullScreen(),
      models: () => this.toggleList(),
      neuroglancer: (event) => stopOrGo(event, this.volume, (words) => this.say(words, true)),
    });
    this.stage = element("div", { class: "viewer-stage" });
    for (const [name, axes] of Object.entries(PANES)) {
      const canvas = element("canvas", { class: `pane pane-${name}`, tabindex: "0", role: "img", "aria-label": `Plane ${name}` });
      const pane = new Pane(canvas, axes);
      this.panes[name] = pane;
      this.stage.append(canvas);
      listen(pane, {
        step: (count) => this.step(pane, count),
        zoom: (factor, x, y) => this.zoom(pane, factor, x, y),
        pan: (dx, dy) => this.pan(pane, dx, dy),
        aim: (x, y) => this.aimAt(pane, x, y),
        end: () => this.settle(),
        key: (key, big) => this.key(pane, key, big),
      });
    }
    this.slider = element("input", { type: "range", min: "0", class: "viewer-slider", "aria-label": "Slice" });
    this.slider.addEventListener("input", () => this.change({ z: Number(this.slider.value) }));
    this.status = element("p", { class: "viewer-status", role: "status" });
    const help = element(
      "p", { class: "viewer-help" },
      "Wheel, ↑ ↓ or Shift and drag: slices. Drag: move. Ctrl and wheel, + −, or pinch: zoom. Click: cross-hair. " +
        "A: contrast, R: fit, F: full screen, S: save, M: annotations, C: check bytes.",
    );
    this.bar.models.hidden = models.length === 0;
    this.root.append(this.bar.root, this.annotations.list, this.stage, this.slider, this.status, help);
    if (this.unshown.length) {
      const lines = this.unshown.map((one) => element("li", {}, element("code", {}, one.path), `: ${one.reason}`));
      this.root.append(element("details", { class: "viewer-help" }, element("summary", {}, "Not shown here"), element("ul", {}, ...lines)));
    }
  }

  open(n) {
    this.source?.close();
    this.checking?.abort();
    this.proof = "";
    for (const name of this.waits.keys()) this.waited(name);
    this.trouble.clear();
    this.source = new SliceSource(this.volumes[n]);
    this.view = within(this.view, this.volumes[n].shape);
    this.annotations.over(this.volume);
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
      pane.isFit = true;
    }
    this.slider.max = String(sections - 1);
    // Half as much again on each side of what suits the volume can be chosen by hand.
    const { black, white } = this.volume;
    const wide = white - black || 1;
    this.contrastRange = [black - wide / 2, white + wide / 2];
    delete this.root.dataset.sharp;
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
    this.settle();
    this.refresh();
  }

  /** The address follows what is looked at, once it holds still. */
  settle() {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => history.replaceState(null, "", "#" + writeView(this.view)), ADDRESS_MS);
  }

  get isOrtho() {
    return this.view.ortho && !this.isChecking;
  }

  get shownPanes() {
    return this.isOrtho ? ["xy", "zy", "xz"] : ["xy"];
  }

  /** Everything as the view says. */
  refresh() {
    const { view, bar, volume } = this;
    const why = whyNotChecked(volume);
    bar.check.disabled = Boolean(why);
    if (why) bar.check.checked = false;
    bar.checkLabel.title = why || "Fetch each section as an archive of blocks and hash it in this browser (C)";
    bar.volume.value = String(view.volume);
    bar.ortho.setAttribute("aria-pressed", String(this.isOrtho));
    bar.ortho.disabled = this.isStack(view.volume) || this.isChecking;
    const near = (a, b) => (Math.abs(b - view.thickness) < Math.abs(a - view.thickness) ? b : a);
    bar.thickness.value = String(THICKNESSES.reduce(near));
    bar.thickness.disabled = this.isChecking;
    bar.projection.value = view.projection;
    bar.projection.disabled = view.thickness === 1 || this.isChecking;
    offerNeuroglancer(bar.neuroglancer, volume, view);
    this.slider.value = String(view.z);
    this.slider.setAttribute("aria-valuetext", this.label());
    this.stage.classList.toggle("single", !this.isOrtho);
    this.annotations.show(view.models);
    this.showContrast();
    this.place();
    for (const name of this.shownPanes) this.load(name);
    this.tell();
  }

  /** Each pane in its box: where the view says, where it was left, or whole. */
  place() {
    const ratio = window.devicePixelRatio || 1;
    for (const [name, pane] of Object.entries(this.panes)) {
      pane.resize();
      if (name === "xy" && this.view.zoom > 0) {
        pane.isFit = false;
        pane.scale = this.view.zoom * ratio;
        if (this.view.middleX === null) pane.middle = [pane.extent[0] / 2, pane.extent[1] / 2];
        else pane.middle = [this.view.middleX, pane.extent[1] - this.view.middleY];
      } else if (name === "xy" || pane.isFit) {
        pane.fit();
      }
    }
  }

  resized() {
    this.place();
    for (const name of this.shownPanes) this.load(name);
  }

  watchRatio() {
    const media = matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`);
    media.addEventListener("change", () => (this.resized(), this.watchRatio()), { once: true });
  }

  /** A pane as far as it is known, and the wish for what is missing. */
  load(name) {
    const pane = this.panes[name];
    const { upright } = pane.axes;
    const index = this.view[upright];
    this.prepare(name);
    pane.draw();
    if (name === "xy" && this.isChecking) {
      const proof = [this.volume.cid, index, ...this.levels()].join();
      if (proof === this.proof) return; // it is here, or on its way
      this.proof = proof;
      this.source.forget();
      for (const one of Object.keys(this.panes)) this.waited(one);
      this.loadChecked(pane, index);
      return;
    }
    if (name === "xy") this.proof = "";
    this.checking?.abort();
    this.wait(name);
    this.source.show(name, this.wish(name, upright, index));
  }

  wish(name, upright, index) {
    const pane = this.panes[name];
    const { view } = this;
    const finest = this.volume.finest_binning[2 - DIMENSION[upright]];
    const binning = fittingBinning(pane.scale, finest);
    return {
      axis: upright,
      index,
      view,
      binning,
      draw: (bitmap, coarse) => {
        if (name === "xy" && this.isChecking) return;
        pane.bitmap = bitmap;
        pane.binning = coarse;
        this.waited(name);
        pane.draw();
      },
      done: (isQuick) => {
        if (name !== "xy") return;
        this.root.dataset.sharp = `${upright}${index}`;
        const beside = [index + 1, index - 1].filter((n) => n >= 0 && n < this.volume.shape[DIMENSION[upright]]);
        if (isQuick) this.source.prefetch(upright, beside, view, binning);
      },
      fail: (error) => {
        this.waited(name);
        pane.bitmap = null;
        pane.draw();
        this.trouble.set(name, error.message);
        this.tell();
      },
    };
  }

  /** What stands over the picture of a pane. */
  prepare(name) {
    const pane = this.panes[name];
    const { horizontal, vertical, upright } = pane.axes;
    const down = pane.extent[1];
    const index = this.view[upright];
    pane.cross = this.isOrtho ? [this.view[horizontal], down - 1 - this.view[vertical]] : null;
    pane.label = name === "xy" ? this.label() : `${upright} ${index + 1}`;
    pane.canvas.setAttribute("aria-label", `Plane ${name}: ${pane.label}`);
    pane.marks = this.annotations.marks(this.view.models, pane.axes, index, this.view.thickness, down);
  }

  async loadChecked(pane, index) {
    this.checking?.abort();
    this.checking = new AbortController();
    const { signal } = this.checking;
    const { volume } = this;
    delete this.root.dataset.checked;
    pane.bitmap = null;
    pane.draw();
    const link = element("a", { href: archiveUrl(volume, index), download: `section-${index + 1}.car` }, "its archive");
    const rest = this.view.ortho ? ONE_PLANE : "";
    this.say([`Section ${index + 1}: fetching `, link, " and hashing it here …", rest]);
    try {
      const found = await checkedSection(volume, index, ...this.levels(), signal);
      if (signal.aborted) return;
      pane.bitmap = found.bitmap;
      pane.binning = 1;
      pane.draw();
      this.root.dataset.checked = "held";
      const size = `${found.blocks} blocks, ${Math.round(found.bytes / 1e3).toLocaleString("en")} kB`;
      this.say([`✓ Section ${index + 1} checked in this browser: `, link, ` of ${size} hashes to ${volume.cid.slice(0, 20)}…; what you see was made of it.`, rest]);
    } catch (error) {
      if (error.name === "AbortError" || signal.aborted) return;
      pane.bitmap = null;
      pane.draw();
      this.root.dataset.checked = "failed";
      this.say([`✗ Section ${index + 1} is not shown: ${error.message}. (`, link, ")", rest], true);
    }
  }

  label() {
    const { z } = this.view;
    const angle = this.volume.tilt_angles_deg[z];
    const sections = this.volume.shape[0];
    if (angle !== undefined) return `${angle.toFixed(1).replace("-", "−")}°   (${z + 1} of ${sections})`;
    const spacing = this.volume.voxel_spacing_angstrom;
    return `z ${z + 1} of ${sections}` + (spacing ? `, ${lengthText(z * spacing[2])}` : "");
  }

  // -- what is told

  tell() {
    if (this.trouble.size) {
      this.say([...new Set(this.trouble.values())], true);
      return;
    }
    if (this.isChecking) return;
    const { shape, voxel_spacing_angstrom: spacing, data_type: type, kind } = this.volume;
    const [sections, rows, columns] = shape;
    const words = [`${columns} × ${rows} × ${sections}, ${type}${kind === "ome-zarr" ? ", OME-Zarr" : ""}`];
    words.push(spacing ? `, ${Number(spacing[0].toPrecision(4))} Å a ${this.isStack(this.view.volume) ? "pixel" : "voxel"}` : ", voxel size not known");
    words.push(...this.annotations.remarks(this.view.models));
    this.say(words);
  }

  say(parts, isTrouble = false) {
    this.status.replaceChildren(...parts);
    this.status.classList.toggle("trouble", isTrouble);
  }

  /** Says so when a picture takes long. */
  wait(name) {
    this.waited(name);
    this.trouble.delete(name);
    this.waits.set(name, setTimeout(() => this.say(["Still waiting for the portal …"]), PATIENCE_MS));
  }

  waited(name) {
    clearTimeout(this.waits.get(name));
    if (this.waits.delete(name) && this.waits.size === 0 && this.view) this.tell();
  }

  // -- contrast

  levels() {
    return [this.view.black ?? this.volume.black, this.view.white ?? this.volume.white];
  }

  showContrast() {
    const [low, high] = this.contrastRange;
    const [black, white] = this.levels();
    this.bar.low.value = String(Math.round(((black - low) / (high - low)) * 1000));
    this.bar.high.value = String(Math.round(((white - low) / (high - low)) * 1000));
  }

  contrast() {
    const [low, high] = this.contrastRange;
    const at = (slider) => low + ((high - low) * Number(slider.value)) / 1000;
    let [black, white] = [at(this.bar.low), at(this.bar.high)];
    if (white <= black) white = black + (high - low) / 1000;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.change({ black: Number(black.toPrecision(6)), white: Number(white.toPrecision(6)) }), 60);
  }

  // -- annotations

  toggleList() {
    this.annotations.list.hidden = !this.annotations.list.hidden;
    this.bar.models.setAttribute("aria-pressed", String(!this.annotations.list.hidden));
    if (!this.annotations.list.hidden && this.view.models.length === 0) this.allModels();
  }

  /** All that fit, or none. */
  allModels() {
    this.change({ models: this.view.models.length ? [] : this.annotations.fitting });
  }

  /** What was fetched is drawn over what is there. */
  annotated() {
    for (const name of this.shownPanes) {
      this.prepare(name);
      this.panes[name].draw();
    }
    this.root.dataset.models = String(this.annotations.count);
    if (this.annotations.trouble) this.say([this.annotations.trouble], true);
    else this.tell();
  }

  // -- moving

  step({ axes: { upright } }, count) {
    this.change({ [upright]: this.view[upright] + count });
  }

  zoom(pane, factor, x, y) {
    const box = pane.canvas.getBoundingClientRect();
    const before = fittingBinning(pane.scale);
    pane.zoomAt(factor, x ?? box.left + box.width / 2, y ?? box.top + box.height / 2);
    this.remember(pane);
    if (fittingBinning(pane.scale) !== before && !this.isChecking) this.load(this.nameOf(pane));
    else pane.draw();
  }

  pan(pane, dx, dy) {
    pane.pan(dx, dy);
    this.remember(pane);
    pane.draw();
  }

  nameOf(pane) {
    return Object.keys(this.panes).find((name) => this.panes[name] === pane);
  }

  remember(pane) {
    if (pane !== this.panes.xy) return;
    const [x, y] = pane.middle;
    const zoom = pane.scale / (window.devicePixelRatio || 1);
    this.view = { ...this.view, zoom, middleX: x, middleY: pane.extent[1] - y };
    this.settle();
  }

  fit() {
    for (const pane of Object.values(this.panes)) pane.isFit = true;
    this.change({ zoom: 0, middleX: null, middleY: null });
  }

  aimAt(pane, clientX, clientY) {
    if (!this.isOrtho) return;
    const [across, down] = pane.place(clientX, clientY);
    const { horizontal, vertical } = pane.axes;
    this.change({ [horizontal]: Math.floor(across), [vertical]: pane.extent[1] - 1 - Math.floor(down) });
  }

  /** What a key does; true when it does something. */
  key(pane, key, big) {
    const { upright } = pane.axes;
    const acts = {
      ArrowUp: () => this.step(pane, big),
      ArrowDown: () => this.step(pane, -big),
      PageUp: () => this.step(pane, 10),
      PageDown: () => this.step(pane, -10),
      Home: () => this.change({ [upright]: 0 }),
      End: () => this.change({ [upright]: 1e9 }),
      ArrowLeft: () => this.pan(pane, 40 * big, 0),
      ArrowRight: () => this.pan(pane, -40 * big, 0),
      "+": () => this.zoom(pane, 1.25),
      "=": () => this.zoom(pane, 1.25),
      "-": () => this.zoom(pane, 1 / 1.25),
      f: () => this.fullScreen(),
      a: () => this.change({ black: null, white: null }),
      r: () => this.fit(),
      s: () => this.save(),
      m: () => this.allModels(),
      c: () => this.bar.check.click(),
    };
    const act = acts[key] ?? acts[key.toLowerCase()];
    act?.();
    return Boolean(act);
  }

  // -- taking with one

  save() {
    savePicture(this.panes.xy.canvas, `${this.volume.path.replace(/.*\//, "")}-z${this.view.z + 1}.png`);
  }

  async copyLink() {
    history.replaceState(null, "", "#" + writeView(this.view));
    const address = new URL(this.root.dataset.page ?? location.href, location.href);
    address.hash = writeView(this.view);
    try {
      await navigator.clipboard.writeText(address.href);
      this.say(["The link to this view is on the clipboard."]);
    } catch {
      this.say([address.href]);
    }
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.().catch(() => this.say(["This browser does not give the full screen."]));
  }
}
