// What is looked at, as a value; written into and read from the address so that a view can be shared. Pure.

/**
 * @typedef {object} View
 * @property {number} volume which of the dataset's volumes
 * @property {number} x, y, z the cross-hair, in voxels
 * @property {number} thickness slices put together
 * @property {"mean"|"max"} projection
 * @property {number|null} black value drawn black; null for what suits the volume
 * @property {number|null} white
 * @property {number} zoom screen pixels a voxel; 0 fits the pane
 * @property {number|null} middleX where the middle of the first pane is, in voxels; null for that of the volume
 * @property {number|null} middleY
 * @property {boolean} ortho three planes, or one
 * @property {number[]} models which of the dataset's models are drawn
 */

const NUMBERS = {
  v: "volume", x: "x", y: "y", z: "z", t: "thickness", b: "black", w: "white", s: "zoom", cx: "middleX", cy: "middleY",
};
const MOST_MODELS = 32;

/** The middle of a volume, as it first comes. @param {number} volume @param {number[]} shape (z, y, x) @returns {View} */
export function firstView(volume, shape, isStack = false) {
  const [z, y, x] = shape.map((extent) => Math.floor(extent / 2));
  return {
    volume, x, y, z, thickness: 1, projection: "mean", black: null, white: null, zoom: 0, middleX: null, middleY: null,
    ortho: !isStack, models: [],
  };
}

/** The part of an address behind "#". @param {View} view */
export function writeView(view) {
  const parts = [];
  for (const [key, name] of Object.entries(NUMBERS)) {
    const value = view[name];
    if (value !== null && !(key === "s" && value === 0)) parts.push(`${key}=${Number(value.toPrecision(7))}`);
  }
  if (view.projection === "max") parts.push("p=max");
  if (!view.ortho) parts.push("o=0");
  if (view.models.length) parts.push(`m=${view.models.join("-")}`);
  return "view:" + parts.join(",");
}

/** A view from an address; null when there is none. What is no number, or no place of the volume, is left as it was.
 * @param {string} hash @param {(volume: number) => View|null} first */
export function readView(hash, first) {
  let text;
  try {
    text = decodeURIComponent(hash.replace(/^#/, ""));
  } catch {
    return null;
  }
  if (!text.startsWith("view:")) return null;
  const given = new Map(text.slice(5).split(",").map((pair) => pair.split("=", 2)));
  const view = first(Number(given.get("v") ?? 0));
  if (!view) return null;
  for (const [key, name] of Object.entries(NUMBERS)) {
    const value = Number(given.get(key));
    if (given.get(key) && key !== "v" && Number.isFinite(value)) view[name] = value;
  }
  if (view.black === null || view.white === null) view.black = view.white = null;
  if (view.middleX === null || view.middleY === null) view.middleX = view.middleY = null;
  view.projection = given.get("p") === "max" ? "max" : "mean";
  view.ortho = given.get("o") !== "0" && view.ortho;
  const models = (given.get("m") ?? "").split("-").filter((one) => /^\d{1,2}$/.test(one)).map(Number);
  view.models = [...new Set(models)].filter((n) => n < MOST_MODELS);
  return view;
}

/** The same view with every place inside the volume. @param {View} view @param {number[]} shape @returns {View} */
export function within(view, shape) {
  const [sections, rows, columns] = shape;
  const clamp = (value, extent) => Math.min(extent - 1, Math.max(0, Math.round(value)));
  const beside = (value, extent) => (value === null ? null : Math.min(extent, Math.max(0, value)));
  return {
    ...view,
    x: clamp(view.x, columns),
    y: clamp(view.y, rows),
    z: clamp(view.z, sections),
    thickness: Math.min(64, Math.max(1, Math.round(view.thickness))),
    zoom: Math.min(64, Math.max(0, view.zoom)),
    middleX: beside(view.middleX, columns),
    middleY: beside(view.middleY, rows),
  };
}

/** How coarse a picture may be so that nobody sees it: device pixels a voxel in, a power of two out. */
export function fittingBinning(scale, finest = 1) {
  let binning = 1;
  while (binning < 64 && scale * binning * 2 <= 1.05) binning *= 2;
  while (binning < finest) binning *= 2;
  return binning;
}

/** A round length of 1, 2 or 5 times a power of ten that takes at most so much. */
export function roundLength(most) {
  if (!(most > 0)) return 0;
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map((n) => n * power).find((length) => length <= most * 1.0000001) ?? power;
}

/** A length in ångström for people. */
export function lengthText(angstrom) {
  if (angstrom >= 1e4) return `${Number((angstrom / 1e4).toPrecision(3))} µm`;
  if (angstrom >= 10) return `${Number((angstrom / 10).toPrecision(3))} nm`;
  return `${Number(angstrom.toPrecision(3))} Å`;
}

/** The address of Neuroglancer with this view of a volume in its state. @param {object} volume @param {View} view */
export function neuroglancerUrl(origin, volume, view) {
  const spacing = volume.voxel_spacing_angstrom;
  const metres = (n) => (spacing ? [spacing[n] * 1e-10, "m"] : [1, ""]);
  const [black, white] = [view.black ?? volume.black, view.white ?? volume.white];
  const state = {
    dimensions: { x: metres(0), y: metres(1), z: metres(2) },
    position: [view.x + 0.5, view.y + 0.5, view.z + 0.5],
    crossSectionScale: Math.max(...volume.shape.slice(1)) / 600,
    crossSectionOrientation: [1, 0, 0, 0], // y upwards, as here
    projectionScale: Math.max(...volume.shape) * 1.5,
    layers: [
      {
        type: "image",
        name: volume.path.split("/").pop().slice(0, 80),
        source: `${origin}${volume.zarr_url}|zarr${volume.kind === "mrc" ? "3" : ""}:`,
        shaderControls: { normalized: { range: [black, white] } },
      },
    ],
    layout: volume.tilt_angles_deg.length ? "xy" : "4panel",
  };
  return `${origin}${volume.neuroglancer_url}#!${encodeURIComponent(JSON.stringify(state))}`;
}
