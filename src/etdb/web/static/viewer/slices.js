// Slices as pictures: a coarse one first, then the sharp one; the newest question wins, the last answers are kept.

const KEPT = 160;

export class SliceSource {
  /** @param {{slice_url: string, shape: number[]}} volume */
  constructor(volume) {
    this.volume = volume;
    this.kept = new Map();
    this.asked = new Map();
  }

  /** The address of a slice. */
  url(axis, index, view, binning) {
    const query = new URLSearchParams({ axis, index: String(index) });
    if (view.thickness > 1) query.set("thickness", String(view.thickness));
    if (view.thickness > 1 && view.projection === "max") query.set("projection", "max");
    if (binning > 1) query.set("binning", String(binning));
    if (binning > 1) query.set("format", "webp");
    if (view.black !== null && view.white !== null) {
      query.set("black", String(view.black));
      query.set("white", String(view.white));
    }
    return `${this.volume.slice_url}?${query}`;
  }

  /**
   * Gives a slice to `draw`, as coarse as it comes first and then sharp. A later call for the same pane ends this one.
   * @param {string} pane @param {(bitmap: ImageBitmap, binning: number) => void} draw
   * @returns {Promise<boolean>} whether the sharp one was drawn
   */
  async show(pane, axis, index, view, draw, wantedBinning = 1) {
    this.asked.get(pane)?.abort();
    const control = new AbortController();
    this.asked.set(pane, control);
    const coarse = this.coarseBinning(wantedBinning);
    const sharpUrl = this.url(axis, index, view, wantedBinning);
    try {
      if (!this.kept.has(sharpUrl) && coarse > wantedBinning) {
        draw(await this.bitmap(this.url(axis, index, view, coarse), control.signal), coarse);
      }
      const sharp = await this.bitmap(sharpUrl, control.signal);
      if (control.signal.aborted) return false;
      draw(sharp, wantedBinning);
      return true;
    } catch (error) {
      if (error.name === "AbortError") return false;
      throw error;
    }
  }

  /** How coarse the first picture is: at most 256 pixels a side. */
  coarseBinning(wanted) {
    const longest = Math.max(...this.volume.shape);
    let binning = wanted;
    while (longest / binning > 256 && binning < 64) binning *= 2;
    return binning;
  }

  async bitmap(url, signal) {
    const kept = this.kept.get(url);
    if (kept) {
      this.kept.delete(url);
      this.kept.set(url, kept);
      return kept;
    }
    const answer = await fetch(url, { signal });
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({ detail: `HTTP ${answer.status}` }));
      throw new Error(problem.detail);
    }
    const bitmap = await createImageBitmap(await answer.blob());
    this.kept.set(url, bitmap);
    while (this.kept.size > KEPT) {
      const [oldest, gone] = this.kept.entries().next().value;
      this.kept.delete(oldest);
      gone.close();
    }
    return bitmap;
  }

  /** Gets what is probably wanted next. */
  prefetch(axis, indices, view) {
    for (const index of indices) {
      this.bitmap(this.url(axis, index, view, 1), undefined).catch(() => {});
    }
  }

  close() {
    for (const control of this.asked.values()) control.abort();
    for (const bitmap of this.kept.values()) bitmap.close();
    this.kept.clear();
  }
}
