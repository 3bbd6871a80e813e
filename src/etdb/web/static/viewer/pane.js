// One plane on a canvas: drawn to its true shape, moved and zoomed, with cross-hair and scale bar.

import { lengthText, roundLength } from "./state.js";

const CROSS = { x: "#ff7a6b", y: "#6fd08c", z: "#7ab8ff" };

export class Pane {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {{horizontal: string, vertical: string, upright: string}} axes which axis goes which way
   */
  constructor(canvas, axes) {
    this.canvas = canvas;
    this.axes = axes;
    this.context = canvas.getContext("2d", { alpha: false });
    this.bitmap = null;
    this.binning = 1; // of the bitmap
    this.extent = [1, 1]; // voxels across and down
    this.aspect = 1; // height of a voxel over its width
    this.scale = 1; // device pixels a voxel across
    this.middle = [0.5, 0.5]; // where the middle of the pane is, in voxels from the left and from the top
    this.cross = null;
    this.spacing = null;
    this.label = "";
    this.marks = []; // see overlay.js
    this.isFit = true;
  }

  /** Makes the whole plane fit. */
  fit() {
    this.isFit = true;
    const [across, down] = this.extent;
    this.middle = [across / 2, down / 2];
    this.scale = Math.min(this.canvas.width / across, this.canvas.height / (down * this.aspect));
  }

  /** Follows the size of its box; true when it changed. */
  resize() {
    const ratio = window.devicePixelRatio || 1;
    const box = this.canvas.getBoundingClientRect();
    const width = Math.max(1, Math.round(box.width * ratio));
    const height = Math.max(1, Math.round(box.height * ratio));
    if (width === this.canvas.width && height === this.canvas.height) return false;
    this.canvas.width = width;
    this.canvas.height = height;
    return true;
  }

  /** Voxels (from the left, from the top) under a point of the page. */
  place(clientX, clientY) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const px = (clientX - box.left) * ratio - this.canvas.width / 2;
    const py = (clientY - box.top) * ratio - this.canvas.height / 2;
    return [this.middle[0] + px / this.scale, this.middle[1] + py / (this.scale * this.aspect)];
  }

  /** Moves by so many pixels of the page. */
  pan(dx, dy) {
    const ratio = this.canvas.width / this.canvas.getBoundingClientRect().width;
    this.isFit = false;
    this.middle = [
      this.middle[0] - (dx * ratio) / this.scale,
      this.middle[1] - (dy * ratio) / (this.scale * this.aspect),
    ];
  }

  /** Zooms around a point of the page. */
  zoomAt(factor, clientX, clientY) {
    const before = this.place(clientX, clientY);
    this.isFit = false;
    this.scale = Math.min(64, Math.max(0.02, this.scale * factor));
    const after = this.place(clientX, clientY);
    this.middle = [this.middle[0] + before[0] - after[0], this.middle[1] + before[1] - after[1]];
  }

  draw() {
    const { context, canvas } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#05090b";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const [across, down] = this.extent;
    const left = canvas.width / 2 - this.middle[0] * this.scale;
    const top = canvas.height / 2 - this.middle[1] * this.scale * this.aspect;
    if (this.bitmap) {
      context.imageSmoothingEnabled = this.scale < 3;
      context.imageSmoothingQuality = "high";
      // Of a coarse picture the last few voxels may be missing: on the right, and on top, where an axis ends.
      const wide = this.bitmap.width * Math.min(this.binning, across);
      const high = this.bitmap.height * Math.min(this.binning, down);
      const y = top + (down - high) * this.scale * this.aspect;
      context.drawImage(this.bitmap, left, y, wide * this.scale, high * this.scale * this.aspect);
    }
    if (this.cross) this.drawCross(left, top);
    this.drawMarks(left, top);
    this.drawScaleBar();
    if (this.label) this.drawLabel();
  }

  drawCross(left, top) {
    const { context, canvas } = this;
    const x = left + (this.cross[0] + 0.5) * this.scale;
    const y = top + (this.cross[1] + 0.5) * this.scale * this.aspect;
    context.lineWidth = Math.max(1, Math.round(window.devicePixelRatio || 1));
    context.globalAlpha = 0.75;
    context.strokeStyle = CROSS[this.axes.horizontal];
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, canvas.height);
    context.stroke();
    context.strokeStyle = CROSS[this.axes.vertical];
    context.beginPath();
    context.moveTo(0, y);
    context.lineTo(canvas.width, y);
    context.stroke();
    context.globalAlpha = 1;
  }

  /** Annotations: circles of balls and points, lines of contours, dots where a contour goes through the slice. */
  drawMarks(left, top) {
    const { context } = this;
    const ratio = window.devicePixelRatio || 1;
    const x = (at) => left + at * this.scale;
    const y = (at) => top + at * this.scale * this.aspect;
    for (const { circles, lines, colour } of this.marks) {
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = 1.6 * ratio;
      context.beginPath();
      for (const [ax, ay, bx, by] of lines) {
        context.moveTo(x(ax), y(ay));
        context.lineTo(x(bx), y(by));
      }
      for (const [cx, cy, radius] of circles) {
        if (radius < 0) continue;
        const size = radius > 0 ? Math.max(1.5 * ratio, radius * this.scale) : 4 * ratio;
        context.moveTo(x(cx) + size, y(cy));
        context.ellipse(x(cx), y(cy), size, radius > 0 ? size * this.aspect : size, 0, 0, 2 * Math.PI);
      }
      context.stroke();
      for (const [cx, cy, radius] of circles) {
        if (radius < 0) context.fillRect(x(cx) - 1.5 * ratio, y(cy) - 1.5 * ratio, 3 * ratio, 3 * ratio);
      }
    }
  }

  drawScaleBar() {
    if (!this.spacing) return;
    const { context, canvas } = this;
    const ratio = window.devicePixelRatio || 1;
    const angstrom = roundLength(((canvas.width * 0.3) / this.scale) * this.spacing);
    const width = (angstrom / this.spacing) * this.scale;
    if (!(width > 8)) return;
    const x = canvas.width - width - 12 * ratio;
    const y = canvas.height - 14 * ratio;
    context.font = `600 ${12 * ratio}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "rgb(0 0 0 / .8)";
    context.strokeText(lengthText(angstrom), x + width / 2, y - 6 * ratio);
    context.fillStyle = "rgb(0 0 0 / .8)";
    context.fillRect(x - ratio, y - ratio, width + 2 * ratio, 6 * ratio);
    context.fillStyle = "#fff";
    context.fillText(lengthText(angstrom), x + width / 2, y - 6 * ratio);
    context.fillRect(x, y, width, 4 * ratio);
  }

  drawLabel() {
    const { context } = this;
    const ratio = window.devicePixelRatio || 1;
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    context.textAlign = "left";
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "rgb(0 0 0 / .8)";
    context.strokeText(this.label, 10 * ratio, 20 * ratio);
    context.fillStyle = "#fff";
    context.fillText(this.label, 10 * ratio, 20 * ratio);
  }
}
