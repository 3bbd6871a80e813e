// The view as a value, and what is drawn of a model: pure functions, run by node's own test runner.

import assert from "node:assert/strict";
import test from "node:test";

const from = (name) => import(new URL(`${process.env.ETDB_VIEWER}/${name}`, "file:///"));
const { firstView, fittingBinning, lengthText, neuroglancerUrl, readView, roundLength, within, writeView } = await from("state.js");
const { whyNotOpened } = await from("handover.js");
const { marks, modelFactors, prepare } = await from("overlay.js");

const SHAPE = [48, 96, 128];
const first = (n) => (n === 0 || n === 2 ? firstView(n, SHAPE) : null);

test("a view comes back from its address", () => {
  const view = {
    ...firstView(2, SHAPE), x: 1, y: 2, z: 3, thickness: 9, projection: "max", black: -1.5, white: 2e4, zoom: 2.25,
    middleX: 60.5, middleY: 7, ortho: false, models: [0, 3],
  };
  assert.deepEqual(readView("#" + writeView(view), first), view);
  assert.deepEqual(readView(writeView(firstView(0, SHAPE)), first), firstView(0, SHAPE));
});

test("what is no view, or nonsense in one, changes nothing", () => {
  for (const hash of ["", "#x", "#files", "#view", "#%", "#view:v=1", "#view:v=-1", "#view:v=1e9"]) {
    assert.equal(readView(hash, first), null, hash);
  }
  const plain = firstView(0, SHAPE);
  for (const hash of ["view:", "view:x=", "view:x=a,,=,p=none,q=3", "view:b=3", "view:cx=4", "view:m=a-999-1.5", "view:z=NaN"]) {
    assert.deepEqual(readView(hash, first), plain, hash);
  }
  assert.deepEqual(readView("view:m=1-1-2-99", first).models, [1, 2]);
});

test("every place is inside the volume", () => {
  const view = within({ ...firstView(0, SHAPE), x: 1e9, y: -5, z: 3.4, thickness: 1e6, zoom: 1e9, middleX: -3, middleY: 1e4 }, SHAPE);
  assert.deepEqual([view.x, view.y, view.z, view.thickness, view.zoom, view.middleX, view.middleY], [127, 0, 3, 64, 64, 0, 96]);
});

test("a picture is as coarse as nobody sees, and no finer than the portal gives", () => {
  assert.deepEqual([4, 1, 0.6, 0.5, 0.25, 0.1, 1e-9].map((scale) => fittingBinning(scale)), [1, 1, 1, 2, 4, 8, 64]);
  assert.equal(fittingBinning(1, 4), 4);
});

test("round lengths and their words", () => {
  assert.deepEqual([730, 500, 260, 199, 1, 0, NaN].map(roundLength), [500, 500, 200, 100, 1, 0, 0]);
  assert.deepEqual([2, 50, 12345, 2e4].map(lengthText), ["2 Å", "5 nm", "1.23 µm", "2 µm"]);
});

test("Neuroglancer's state says where and how", () => {
  const volume = {
    kind: "mrc", path: "a/b.mrc", shape: SHAPE, black: 1, white: 9, tilt_angles_deg: [], zarr_url: "/zarr/bafy/",
    neuroglancer_url: "/neuroglancer/v/portal/", voxel_spacing_angstrom: [10, 10, 20],
  };
  const url = neuroglancerUrl("http://here", volume, { ...firstView(0, SHAPE), x: 5 });
  assert.ok(url.startsWith("http://here/neuroglancer/v/portal/#!"));
  const state = JSON.parse(decodeURIComponent(url.split("#!")[1]));
  assert.equal(state.layers[0].source, "http://here/zarr/bafy/|zarr3:");
  assert.deepEqual(state.position, [5.5, 48.5, 24.5]);
  assert.deepEqual(state.dimensions.z, [2e-9, "m"]);
  assert.deepEqual(state.layers[0].shaderControls.normalized.range, [1, 9]);
});

const AXES = { xy: { horizontal: "x", vertical: "y", upright: "z" }, zy: { horizontal: "z", vertical: "y", upright: "x" } };
const drawing = (form, points, more = {}) => ({
  image_size: [128, 96, 48],
  objects: [{ name: "", form, colour: "#ff0000", point_size: 0, contours: [{ points, sizes: [] }], ...more }],
});
const drawn = (model, axes, index, thickness = 1) => marks(prepare(model, SHAPE), AXES[axes], index, thickness, 96)[0];

test("lines of a contour are drawn in their section alone; elsewhere they are dots where they go through", () => {
  const square = drawing("closed", [[10, 20, 5], [30, 20, 5], [30, 40, 5]]);
  assert.equal(drawn(square, "xy", 5).lines.length, 3);
  assert.deepEqual(drawn(square, "xy", 5).lines[0], [10, 76, 30, 76]);
  assert.equal(drawn(square, "xy", 4).lines.length, 0);
  assert.equal(drawn(square, "xy", 3, 5).lines.length, 3);
  assert.deepEqual(drawn(square, "zy", 19).circles.map((one) => one[2]), [-1, -1]);
  assert.equal(drawn(drawing("open", [[10, 20, 5], [30, 20, 5], [30, 40, 5]]), "xy", 5).lines.length, 2);
  assert.deepEqual(drawn(drawing("open", [[0, 0, 2], [0, 0, 8]]), "xy", 5).circles, [[0, 96, -1]]);
});

test("balls are cut where the slice meets them; points without a size are seen in their slice", () => {
  const balls = drawing("scattered", [[50, 50, 10]], { point_size: 5 });
  assert.deepEqual(drawn(balls, "xy", 10).circles, [[50, 46, 5]]);
  assert.ok(Math.abs(drawn(balls, "xy", 13).circles[0][2] - Math.sqrt(25 - 2.5 ** 2)) < 1e-6);
  assert.equal(drawn(balls, "xy", 20).circles.length, 0);
  assert.deepEqual(drawn(drawing("scattered", [[50, 50, 10]]), "xy", 10).circles, [[50, 46, 0]]);
  assert.equal(drawn(drawing("scattered", [[50, 50, 10]]), "xy", 11).circles.length, 0);
});

test("a model of a binned copy fits; one of another image is told apart", () => {
  assert.deepEqual(modelFactors([64, 48, 24], SHAPE), { factors: [2, 2, 2], fits: true });
  assert.equal(modelFactors([64, 96, 48], SHAPE).fits, false);
  assert.equal(modelFactors([0, 0, 0], SHAPE).fits, true);
  const half = { ...drawing("scattered", [[25, 25, 5]]), image_size: [64, 48, 24] };
  assert.deepEqual(drawn(half, "xy", 11).circles, [[50, 46, 0]]);
});

test("a slice of a hostile model is bounded", () => {
  const many = drawing("scattered", Array.from({ length: 50000 }, () => [1, 1, 5]), { point_size: 1 });
  assert.equal(drawn(many, "xy", 5).circles.length, 20000);
});

test("where Neuroglancer cannot open a volume, the reason is the one that holds", () => {
  const volume = { zarr_url: "/zarr/x/", neuroglancer_url: "/neuroglancer/" };
  assert.equal(whyNotOpened(volume), "");
  assert.match(whyNotOpened({ ...volume, neuroglancer_url: "" }), /not installed/);
  assert.match(whyNotOpened({ zarr_url: "", neuroglancer_url: "" }), /does not hold/);
});
