// Slices as pictures: a coarse one first, then the sharp one. Of each pane one request is under way at most, and what
// is asked for next is always the newest wish; so nothing piles up, here or at the server.

const KEPT_PIXELS = 24e6;
const COARSE_EDGE = 256;
const QUICK_MS = 400;

/**
 * @typedef {object} Wish
 * @property {"x"|"y"|"z"} axis @property {number} index @property {import("./state.js").View} view
 * @property {number} binning of the sharp picture
 * @property {(bitmap: ImageBitmap, binning: number) => void} draw
 * @property {() => void} done the sharp picture was drawn @property {(error: Error) => void} fail
 */

export class SliceSource {
  /** @param {{slice_url: string, shape: number[], finest_binning: number[]}} volume */
  constructor(volume) {
    this.volume = volume;
    this.kept = new Map();
    this.pixels = 0;
    this.wishes = new Map();
    this.sharp = new Map();
    this.current = new Map();
    this.busy = new Set();
    this.end = new AbortController();
    this.ahead = new AbortController();
  }

  /** The address of a slice. */
  url(axis, index, view, binning) {
    const query = new URLSearchParams({ axis, index: String(index) });
    if (view.thickness > 1) query.set("thickness", String(view.thickness));
    if (view.thickness > 1 && view.projection === "max") query.set("projection", "max");
    if (binning > 1) query.set("binning", String(binning));
    if (binning > 1 && binning >= this.coarseBinning(1)) query.set("format", "webp");
    if (view.black !== null && view.white !== null) {
      query.set("black", String(view.black));
      query.set("white", String(view.white));
    }
    return `${this.volume.slice_url}?${query}`;
  }

  /** Wishes for a slice in a pane instead of what was wished for before. @param {string} pane @param {Wish} wish */
  show(pane, wish) {
    const key = this.url(wish.axis, wish.index, wish.view, wish.binning);
    if (this.current.get(pane) === key && !this.wishes.has(pane)) return; // it is on its way
    this.wishes.set(pane, wish);
    this.ahead.abort();
    this.sharp.get(pane)?.abort();
    if (!this.busy.has(pane)) this.work(pane);
  }

  async work(pane) {
    this.busy.add(pane);
    while (this.wishes.has(pane) && !this.end.signal.aborted) {
      const wish = this.wishes.get(pane);
      this.wishes.delete(pane);
      this.current.set(pane, this.url(wish.axis, wish.index, wish.view, wish.binning));
      try {
        await this.fulfil(pane, wish);
      } catch (error) {
        if (error.name !== "AbortError" && !this.end.signal.aborted && !this.wishes.has(pane)) wish.fail(error);
      } finally {
        this.current.delete(pane);
      }
    }
    this.busy.delete(pane);
  }

  async fulfil(pane, wish) {
    const { axis, index, view, binning, draw } = wish;
    const sharpUrl = this.url(axis, index, view, binning);
    const coarse = this.coarseBinning(binning);
    if (coarse > binning && !this.kept.has(sharpUrl)) {
      const bitmap = await this.bitmap(this.url(axis, index, view, coarse), this.end.signal);
      if (this.end.signal.aborted) return;
      draw(bitmap, coarse);
      if (this.wishes.has(pane)) return;
    }
    const control = new AbortController();
    this.sharp.set(pane, control);
    const begun = performance.now();
    try {
      const bitmap = await this.bitmap(sharpUrl, AbortSignal.any([control.signal, this.end.signal]));
      if (control.signal.aborted || this.end.signal.aborted) return;
      draw(bitmap, binning);
      wish.done(performance.now() - begun < QUICK_MS);
    } finally {
      if (this.sharp.get(pane) === control) this.sharp.delete(pane);
    }
  }

  /** How coarse the first picture is: at most 256 pixels a side. */
  coarseBinning(wanted) {
    const longest = Math.max(...this.volume.shape);
    let binning = wanted;
    while (longest / binning > COARSE_EDGE && binning < 64) binning *= 2;
    return binning;
  }

  async bitmap(url, signal) {
    const kept = this.kept.get(url);
    if (kept) {
      this.kept.delete(url);
      this.kept.set(url, kept);
      return kept;
    }
    let answer;
    try {
      answer = await fetch(url, { signal });
    } catch (error) {
      throw error.name === "AbortError" ? error : new Error("the portal does not answer");
    }
    if (!answer.ok) {
      const problem = await answer.json().catch(() => ({}));
      throw new Error(problem.detail ? [problem.detail, problem.hint].filter(Boolean).join("; ") : `HTTP ${answer.status}`);
    }
    const bitmap = await createImageBitmap(await answer.blob());
    this.kept.set(url, bitmap);
    this.pixels += bitmap.width * bitmap.height;
    // What falls out may still be on a pane: it is forgotten, not closed.
    for (const [oldest, gone] of this.kept) {
      if (this.pixels <= KEPT_PIXELS || this.kept.size === 1) break;
      this.kept.delete(oldest);
      this.pixels -= gone.width * gone.height;
    }
    return bitmap;
  }

  /** Gets what is probably wanted next, until something else is. */
  prefetch(axis, indices, view, binning) {
    this.ahead = new AbortController();
    const signal = AbortSignal.any([this.ahead.signal, this.end.signal]);
    for (const index of indices) this.bitmap(this.url(axis, index, view, binning), signal).catch(() => {});
  }

  /** Nothing is wished for any more, for now. */
  forget() {
    this.wishes.clear();
    this.ahead.abort();
    for (const control of this.sharp.values()) control.abort();
  }

  close() {
    this.end.abort();
    this.kept.clear();
  }
}
