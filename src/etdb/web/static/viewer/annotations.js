// The models of a dataset over a volume: which are ticked, fetched when they are first wanted, and drawn.

import { buildModels } from "./bar.js";
import { marks, modelFactors, prepare } from "./overlay.js";

export class Annotations {
  /**
   * @param {object[]} models of the API
   * @param {{tick: (chosen: number[]) => void, arrived: () => void}} acts
   */
  constructor(models, acts) {
    this.models = models;
    this.acts = acts;
    this.drawings = new Map();
    this.chosen = [];
    this.trouble = "";
    this.volume = null;
    const built = buildModels(models, (n, on) => {
      const others = this.chosen.filter((one) => one !== n);
      acts.tick(on ? [...others, n].sort((a, b) => a - b) : others);
    });
    this.boxes = built.boxes;
    this.elsewhere = built.elsewhere;
    this.list = built.list;
    this.list.hidden = true;
  }

  /** Those that were drawn on this image, or on a smaller copy of it. */
  get fitting() {
    return this.models.flatMap((one, n) => (one.model && this.fits(one) ? [n] : []));
  }

  fits(one) {
    return modelFactors(one.model.image_size, this.volume.shape).fits;
  }

  /** How many are here. */
  get count() {
    return [...this.drawings.values()].filter((one) => one.objects).length;
  }

  /** They lie over this volume from now on. */
  over(volume) {
    this.volume = volume;
    this.drawings.clear();
    this.models.forEach((one, n) => {
      const other = one.model && !this.fits(one);
      this.elsewhere[n].textContent = other ? `drawn on another image (${one.model.image_size.join(" × ")})` : "";
    });
  }

  /** These are ticked. */
  show(chosen) {
    this.chosen = chosen;
    this.trouble = "";
    this.boxes.forEach((box, n) => (box.checked = chosen.includes(n)));
    for (const n of chosen) this.load(n);
  }

  async load(n) {
    const model = this.models[n];
    if (!model || model.reason || this.drawings.has(n)) return;
    const { volume } = this;
    this.drawings.set(n, {});
    try {
      const answer = await fetch(model.model_url);
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const drawing = await answer.json();
      if (this.volume !== volume) return;
      this.drawings.set(n, { objects: prepare(drawing, volume.shape), isCut: drawing.is_cut });
    } catch (error) {
      if (this.volume !== volume) return;
      this.drawings.delete(n);
      this.trouble = `${model.path} cannot be drawn now: ${error.message}`;
    }
    this.acts.arrived();
  }

  /** What of them lies in a slice; see overlay.js. */
  marks(chosen, axes, index, thickness, down) {
    return chosen.flatMap((n) => marks(this.drawings.get(n)?.objects ?? [], axes, index, thickness, down));
  }

  /** What has to be said of those that are drawn. */
  remarks(chosen) {
    return chosen.filter((n) => this.drawings.get(n)?.isCut).map((n) => `; of ${this.models[n].path} only the first points are drawn`);
  }
}
