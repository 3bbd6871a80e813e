// What of a model lies in a slice. Pure: numbers in, numbers out.
//
// IMOD's coordinates have the middle of the first pixel at (0.5, 0.5, 0): z counts sections from their middle.

const AXES = { x: 0, y: 1, z: 2 };
const LIMIT = 20000; // circles and lines of one slice

/** How a model's coordinates become those of a volume: a factor for each axis, 1 where it was drawn on this very image.
 * @param {number[]} imageSize (x, y, z) @param {number[]} shape (z, y, x) @returns {{factors: number[], fits: boolean}} */
export function modelFactors(imageSize, shape) {
  const size = [shape[2], shape[1], shape[0]];
  const factors = size.map((extent, n) => (imageSize[n] > 0 ? extent / imageSize[n] : 1));
  const alike = factors.every((factor) => Math.abs(factor / factors[0] - 1) < 0.03);
  return alike ? { factors, fits: true } : { factors: [1, 1, 1], fits: false };
}

/** A model prepared for drawing. @returns {{colour: string, closed: boolean, joined: boolean, contours: object[]}[]} */
export function prepare(drawing, shape) {
  const { factors } = modelFactors(drawing.image_size, shape);
  return drawing.objects.map((object) => ({
    name: object.name,
    colour: object.colour,
    closed: object.form === "closed",
    joined: object.form !== "scattered",
    contours: object.contours.map((contour) => {
      const points = new Float32Array(3 * contour.points.length);
      const radii = new Float32Array(contour.points.length);
      const low = [Infinity, Infinity, Infinity];
      const high = [-Infinity, -Infinity, -Infinity];
      contour.points.forEach((point, n) => {
        const own = contour.sizes[n] ?? -1;
        radii[n] = (own >= 0 ? own : object.point_size) * factors[0];
        for (let axis = 0; axis < 3; axis++) {
          const at = axis === 2 ? (point[2] + 0.5) * factors[2] : point[axis] * factors[axis];
          points[3 * n + axis] = at;
          low[axis] = Math.min(low[axis], at - radii[n]);
          high[axis] = Math.max(high[axis], at + radii[n]);
        }
      });
      return { points, radii, low, high };
    }),
  }));
}

/**
 * Circles and lines in a slice, in voxels from the left and from the top.
 * @param {object[]} objects of `prepare` @param {{horizontal: string, vertical: string, upright: string}} axes
 * @param {number} index of the slice @param {number} thickness @param {number} down extent of the vertical axis
 * @returns {{circles: number[][], lines: number[][], colour: string}[]} circles (x, y, radius), lines (x, y, x, y)
 */
export function marks(objects, axes, index, thickness, down) {
  const [across, along, through] = [AXES[axes.horizontal], AXES[axes.vertical], AXES[axes.upright]];
  const from = index - Math.floor((thickness - 1) / 2);
  const to = from + thickness;
  const middle = (from + to) / 2;
  let left = LIMIT;
  return objects.map((object) => {
    const circles = [];
    const lines = [];
    for (const { points, radii, low, high } of object.contours) {
      if (high[through] < from || low[through] >= to) continue;
      const count = radii.length;
      const place = (n) => [points[3 * n + across], down - points[3 * n + along]];
      for (let n = 0; n < count && left > 0; n++) {
        const depth = points[3 * n + through];
        const inside = depth >= from && depth < to;
        const away = inside ? 0 : Math.min(Math.abs(depth - from), Math.abs(depth - to));
        const radius = radii[n];
        // A ball is cut where the slice meets it; a point without a size is seen in its own slice.
        if (radius > 0 && away <= radius) {
          circles.push([...place(n), Math.sqrt(Math.max(0, radius * radius - away * away))]);
          left--;
        } else if (inside && (!object.joined || count === 1)) {
          circles.push([...place(n), 0]);
          left--;
        }
        const next = n + 1 < count ? n + 1 : object.closed && count > 2 ? 0 : -1;
        if (!object.joined || next < 0) continue;
        const other = points[3 * next + through];
        if (inside && other >= from && other < to) {
          lines.push([...place(n), ...place(next)]);
          left--;
        } else if ((depth < middle) !== (other < middle)) {
          const part = (middle - depth) / (other - depth);
          const [a, b] = [place(n), place(next)];
          circles.push([a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1]), -1]);
          left--;
        }
      }
    }
    return { circles, lines, colour: object.colour };
  });
}
