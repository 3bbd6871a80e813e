// The proof in the browser: archives that our CarWriter made, and damaged and hostile ones. Vectors come from Python.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import test from "node:test";

const { archiveUrl, assemble, boundedBody, checkedBlocks, cidBytes, greyOf, LIMITS, whyNotChecked } = await import(
  new URL(`${process.env.ETDB_VIEWER}/check.js`, "file:///")
);
const vectors = JSON.parse(readFileSync(process.env.ETDB_VECTORS, "utf8"));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));

async function section({ cid, car, start, stop }, archive = bytes(car)) {
  return assemble(await checkedBlocks(archive), cidBytes(cid), start, stop);
}

for (const vector of vectors) {
  test(`${vector.name}: the section is what the file holds`, async () => {
    assert.deepEqual(Buffer.from(await section(vector)), Buffer.from(vector.section, "base64"));
  });

  test(`${vector.name}: no byte of the archive can be changed unseen`, async () => {
    const whole = bytes(vector.car);
    const head = 1 + whole[0]; // the header names roots, which nobody believes
    const step = Math.max(1, Math.floor((whole.length - head) / 60));
    const right = Buffer.from(vector.section, "base64");
    for (let at = head; at < whole.length; at += step) {
      const damaged = whole.slice();
      damaged[at] ^= 0x20;
      let got = null;
      try {
        got = await section(vector, damaged);
      } catch {
        continue;
      }
      assert.deepEqual(Buffer.from(got), right, `byte ${at}`);
    }
  });

  test(`${vector.name}: cut off anywhere, it fails`, async () => {
    const whole = bytes(vector.car);
    for (const end of [0, 1, 20, 1 + whole[0], 1 + whole[0] + 5, whole.length >> 1, whole.length - 1]) {
      await assert.rejects(section(vector, whole.slice(0, end)), `to ${end}`);
    }
  });
}

test("blocks in another order, twice, and strangers among them change nothing", async () => {
  const vector = vectors.find((one) => one.name === "many leaves");
  const parts = sections(bytes(vector.car));
  const extra = block(0x55, Buffer.from("a stranger"));
  const other = Buffer.concat([parts[0], extra, ...parts.slice(1).reverse(), ...parts.slice(1)]);
  assert.deepEqual(Buffer.from(await section(vector, new Uint8Array(other))), Buffer.from(vector.section, "base64"));
  for (let n = 1; n < parts.length; n++) {
    const missing = Buffer.concat(parts.filter((_, at) => at !== n));
    await assert.rejects(section(vector, new Uint8Array(missing)), /did not come|not all/);
  }
});

test("another file's blocks are no proof of this one", async () => {
  const [a, b] = vectors.filter((one) => one.name === "many leaves" || one.name === "other content");
  await assert.rejects(section({ ...a, cid: b.cid }), /did not come/);
});

const HEAD = Buffer.from([1, 0]);
const varint = (n) => {
  const out = [];
  for (; n >= 128; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return Buffer.from([...out, n]);
};
const digest = (data) => createHash("sha256").update(data).digest();
const cidOf = (codec, data) => Buffer.concat([Buffer.from([1, codec, 0x12, 0x20]), digest(data)]);
const block = (codec, data) => Buffer.concat([varint(36 + data.length), cidOf(codec, data), data]);
const field = (number, data) =>
  typeof data === "number" ? Buffer.concat([varint(number << 3), varint(data)]) : Buffer.concat([varint((number << 3) | 2), varint(data.length), data]);
const node = (links, sizes, inline) =>
  Buffer.concat([
    ...links.map((cid) => field(2, field(1, cid))),
    field(1, Buffer.concat([field(1, 2), ...(inline ? [field(2, inline)] : []), ...sizes.map((size) => field(4, size))])),
  ]);

function sections(archive) {
  const parts = [];
  let at = 0;
  while (at < archive.length) {
    let [length, scale, begin] = [0, 1, at];
    for (;;) {
      const octet = archive[at++];
      length += (octet & 127) * scale;
      scale *= 128;
      if (octet < 128) break;
    }
    at += length;
    parts.push(Buffer.from(archive.slice(begin, at)));
  }
  return parts;
}

async function hostile(root, blocks, start = 0, stop = 8) {
  const archive = Buffer.concat([varint(HEAD.length), HEAD, ...blocks]);
  return assemble(await checkedBlocks(new Uint8Array(archive)), new Uint8Array(root), start, stop);
}

test("trees that never end are left", { timeout: 20000 }, async () => {
  // Nine levels, each linking a thousand times to the next.
  let data = Buffer.from("12345678");
  let [codec, size] = [0x55, 1];
  data = Buffer.from("1");
  const blocks = [block(codec, data)];
  for (let level = 0; level < 5; level++) {
    const cid = cidOf(codec, data);
    data = node(Array(1000).fill(cid), Array(1000).fill(size));
    [codec, size] = [0x70, size * 1000];
    blocks.push(block(codec, data));
  }
  await assert.rejects(hostile(cidOf(codec, data), blocks, 0, 1e8), /too many branches/);
  // Deeper than any file.
  data = Buffer.from("12345678");
  codec = 0x55;
  const deep = [block(codec, data)];
  for (let level = 0; level < 12; level++) {
    data = node([cidOf(codec, data)], [8]);
    codec = 0x70;
    deep.push(block(codec, data));
  }
  await assert.rejects(hostile(cidOf(codec, data), deep), /too deep/);
  // Links to nothing, of no size.
  const empty = node(Array(8000).fill(cidOf(0x55, Buffer.from("x"))), Array(8000).fill(0));
  await assert.rejects(hostile(cidOf(0x70, empty), [block(0x70, empty)]), /not all/);
});

test("sizes that lie", async () => {
  const leaf = Buffer.from("12345678");
  const cases = [
    [node([cidOf(0x55, leaf)], [7]), /not as long/],
    [node([cidOf(0x55, leaf)], [9]), /not as long/],
    [node([cidOf(0x55, leaf)], []), /sizes/],
    [node([cidOf(0x55, leaf)], [8, 8]), /sizes/],
    [node([cidOf(0x51, leaf)], [8]), /kind/],
    [node([cidOf(0x55, leaf)], [2 ** 52]), /not as long/],
    [node([], [], Buffer.from("1234")), /not all/],
    [Buffer.from([0x0a, 0xff, 0x01]), /cut off/],
    [Buffer.from([0x0b]), /none/],
    [Buffer.from([0x08, 1]), /none/],
  ];
  for (const [root, why] of cases) {
    await assert.rejects(hostile(cidOf(0x70, root), [block(0x70, root), block(0x55, leaf)]), why);
  }
  const inner = node([cidOf(0x55, leaf)], [8]);
  const root = node([cidOf(0x70, inner)], [9]);
  await assert.rejects(hostile(cidOf(0x70, root), [block(0x70, root), block(0x70, inner), block(0x55, leaf)]), /add up/);
});

test("sections of impossible sizes are refused before anything is allocated", () => {
  for (const [start, stop] of [[0, LIMITS.section + 1], [-1, 5], [9, 5], [0, NaN], [0, 1e300]]) {
    assert.throws(() => assemble(new Map(), new Uint8Array(34), start, stop), /impossible/);
  }
});

test("archives whose lengths lie", async () => {
  const big = Buffer.alloc(LIMITS.block + 1);
  for (const archive of [
    Buffer.from([]),
    Buffer.from([0x80]),
    Buffer.from(Array(20).fill(0xff)),
    Buffer.concat([varint(2 ** 40), HEAD]),
    Buffer.concat([varint(2), HEAD, varint(2 ** 50)]),
    Buffer.concat([varint(2), HEAD, varint(10), Buffer.alloc(10)]),
    Buffer.concat([varint(2), HEAD, varint(36), Buffer.from([1, 0x55, 0x13, 0x20]), Buffer.alloc(32)]),
    Buffer.concat([varint(2), HEAD, block(0x55, big)]),
  ]) {
    await assert.rejects(checkedBlocks(new Uint8Array(archive)));
  }
});

test("a server that never stops sending is left", async () => {
  let sent = 0;
  const body = new ReadableStream({
    pull(control) {
      sent += 65536;
      control.enqueue(new Uint8Array(65536));
    },
  });
  await assert.rejects(boundedBody({ body }, 1e6), /longer than/);
  assert.ok(sent < 2e6);
});

test("CIDs as text", () => {
  for (const vector of vectors) assert.ok([34, 36].includes(cidBytes(vector.cid).length));
  for (const text of ["", "z123", "bafy0", "Qm0", "b".repeat(300)]) assert.throws(() => cidBytes(text));
});

test("values of every type are drawn as the portal draws them", () => {
  const write = {
    int8: "setInt8", uint8: "setUint8", int16: "setInt16", uint16: "setUint16", int32: "setInt32", float32: "setFloat32",
  };
  for (const [data_type, name] of Object.entries(write)) {
    for (const byte_order of ["little", "big"]) {
      const width = { int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, float32: 4 }[data_type];
      const view = new DataView(new ArrayBuffer(4 * width));
      [10, 20, 30, 100].forEach((value, n) => view[name](n * width, value, byte_order === "little"));
      const grey = greyOf({ data_type, byte_order, shape: [1, 2, 2] }, new Uint8Array(view.buffer), 10, 30);
      // The second row is on top.
      assert.deepEqual([...grey].filter((_, n) => n % 4 === 0), [255, 255, 0, 128], data_type + byte_order);
    }
  }
  const half = greyOf({ data_type: "float16", byte_order: "little", shape: [1, 1, 3] }, new Uint8Array([0, 0x3c, 0, 0xc0, 0, 0x7e]), -2, 1);
  assert.deepEqual([half[0], half[4], half[8]], [255, 0, 0]); // 1, -2, no number
  assert.throws(() => greyOf({ data_type: "int16", byte_order: "little", shape: [1, 2, 2] }, new Uint8Array(7), 0, 1));
});

test("what cannot be checked says why", () => {
  const volume = { kind: "mrc", data_type: "int16", plane_bytes: 10, data_offset: 1024, cid: "bafy" };
  assert.equal(whyNotChecked(volume), "");
  assert.match(whyNotChecked({ ...volume, kind: "ome-zarr" }), /OME-Zarr/);
  assert.match(whyNotChecked({ ...volume, data_type: "complex-float32" }), /complex/);
  assert.match(whyNotChecked({ ...volume, plane_bytes: 1e12 }), /too large/);
  assert.equal(archiveUrl(volume, 3), "/ipfs/bafy?format=car&dag-scope=entity&entity-bytes=1054:1063");
});
