// A section's bytes fetched as an archive of IPLD blocks and checked against the CID of the file, here in the browser:
// no server is believed. What is hashed is what is drawn.

const RAW = 0x55;
const DAG_PB = 0x70;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

class Wrong extends Error {}

/** The bytes of a base32 CID of version 1. */
export function cidBytes(text) {
  if (text[0] !== "b") throw new Wrong("this CID is not in base32");
  const bytes = [];
  let bits = 0;
  let value = 0;
  for (const letter of text.slice(1)) {
    const digit = ALPHABET.indexOf(letter);
    if (digit < 0) throw new Wrong("this CID is not in base32");
    value = (value << 5) | digit;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes.push((value >> bits) & 0xff);
      value &= (1 << bits) - 1;
    }
  }
  return Uint8Array.from(bytes);
}

function varint(bytes, at) {
  let value = 0;
  let scale = 1;
  for (let n = 0; n < 8; n++) {
    if (at >= bytes.length) throw new Wrong("the archive is cut off");
    const octet = bytes[at++];
    value += (octet & 0x7f) * scale;
    if (octet < 0x80) return [value, at];
    scale *= 128;
  }
  throw new Wrong("a number in the archive is too long");
}

/** A CID at a place: its codec, its digest in hexadecimal, and the place behind it. */
function readCid(bytes, at) {
  if (bytes[at] === 0x12 && bytes[at + 1] === 0x20) {
    return { codec: DAG_PB, digest: hex(bytes.subarray(at + 2, at + 34)), end: at + 34 };
  }
  let version, codec, code, length;
  [version, at] = varint(bytes, at);
  [codec, at] = varint(bytes, at);
  [code, at] = varint(bytes, at);
  [length, at] = varint(bytes, at);
  if (version !== 1 || code !== 0x12 || length !== 32 || at + 32 > bytes.length) {
    throw new Wrong("a CID that is not a SHA-256");
  }
  return { codec, digest: hex(bytes.subarray(at, at + 32)), end: at + 32 };
}

const hex = (bytes) => Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0")).join("");

/** The blocks of an archive (CAR, version 1) by digest, each hashed. */
export async function checkedBlocks(archive) {
  const blocks = new Map();
  let [length, at] = varint(archive, 0);
  at += length; // the header says which roots; ours is known
  while (at < archive.length) {
    [length, at] = varint(archive, at);
    const end = at + length;
    if (end > archive.length || length < 36) throw new Wrong("the archive is cut off");
    const cid = readCid(archive, at);
    const block = archive.subarray(cid.end, end);
    const digest = hex(new Uint8Array(await crypto.subtle.digest("SHA-256", block)));
    if (digest !== cid.digest) throw new Wrong("a block is not what its CID names: these bytes are wrong");
    blocks.set(digest, block);
    at = end;
  }
  return blocks;
}

/** The fields of a message in Protocol Buffers: numbers and byte strings. */
function* fields(bytes) {
  let at = 0;
  while (at < bytes.length) {
    let key, value;
    [key, at] = varint(bytes, at);
    if ((key & 7) === 0) {
      [value, at] = varint(bytes, at);
      yield [key >> 3, value];
    } else if ((key & 7) === 2) {
      [value, at] = varint(bytes, at);
      if (at + value > bytes.length) throw new Wrong("a node is cut off");
      yield [key >> 3, bytes.subarray(at, at + value)];
      at += value;
    } else {
      throw new Wrong("a node that is none");
    }
  }
}

/** A node of a file: its links and the sizes of what lies below each (UnixFS). */
function readNode(block) {
  const links = [];
  let sizes = [];
  let inline = new Uint8Array();
  for (const [number, value] of fields(block)) {
    if (number === 2) {
      for (const [part, bytes] of fields(value)) if (part === 1) links.push(readCid(bytes, 0));
    } else if (number === 1) {
      for (const [part, content] of fields(value)) {
        if (part === 4) sizes.push(content);
        if (part === 2) inline = content;
      }
    }
  }
  if (links.length !== sizes.length) throw new Wrong("a node whose sizes do not fit its links");
  return { links, sizes, inline };
}

/** Puts the bytes from `start` to `stop` of a file together, from checked blocks alone. */
export function assemble(blocks, root, start, stop) {
  const out = new Uint8Array(stop - start);
  let filled = 0;
  const put = (bytes, offset) => {
    const from = Math.max(start, offset);
    const to = Math.min(stop, offset + bytes.length);
    if (to > from) {
      out.set(bytes.subarray(from - offset, to - offset), from - start);
      filled += to - from;
    }
  };
  const walk = (cid, offset, size, depth) => {
    if (depth > 8) throw new Wrong("the file's tree is too deep");
    if (offset >= stop || offset + size <= start) return;
    const block = blocks.get(cid.digest);
    if (!block) throw new Wrong("a block of this section did not come");
    if (cid.codec === RAW) {
      if (block.length !== size) throw new Wrong("a leaf is not as long as its parent says");
      put(block, offset);
      return;
    }
    const node = readNode(block);
    put(node.inline, offset);
    let at = offset + node.inline.length;
    node.links.forEach((link, n) => {
      walk(link, at, node.sizes[n], depth + 1);
      at += node.sizes[n];
    });
    if (Number.isFinite(size) && at !== offset + size) throw new Wrong("a node's sizes do not add up");
  };
  const top = readCid(root, 0);
  const block = blocks.get(top.digest);
  walk(top, 0, top.codec === RAW && block ? block.length : Infinity, 0);
  if (filled !== out.length) throw new Wrong("not all of this section came");
  return out;
}

const READERS = {
  int8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  int16: (view, at, little) => view.getInt16(at, little),
  uint16: (view, at, little) => view.getUint16(at, little),
  int32: (view, at, little) => view.getInt32(at, little),
  float32: (view, at, little) => view.getFloat32(at, little),
};
const WIDTHS = { int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, float32: 4 };

/** Whether sections of this type can be drawn from their bytes here. */
export const canCheck = (volume) => volume.data_type in READERS && Boolean(globalThis.crypto?.subtle);

/** A section as a picture, made of checked bytes. @returns {Promise<{bitmap: ImageBitmap, bytes: number, blocks: number}>} */
export async function checkedSection(volume, index, black, white, signal) {
  const start = volume.data_offset + index * volume.plane_bytes;
  const stop = start + volume.plane_bytes;
  const url = `/ipfs/${volume.cid}?format=car&dag-scope=entity&entity-bytes=${start}:${stop - 1}`;
  const answer = await fetch(url, { signal });
  if (!answer.ok) throw new Wrong(`the archive did not come (HTTP ${answer.status})`);
  const archive = new Uint8Array(await answer.arrayBuffer());
  const blocks = await checkedBlocks(archive);
  const bytes = assemble(blocks, cidBytes(volume.cid), start, stop);
  const [, rows, columns] = volume.shape;
  const image = new ImageData(columns, rows);
  const grey = new Uint32Array(image.data.buffer);
  const view = new DataView(bytes.buffer);
  const read = READERS[volume.data_type];
  const width = WIDTHS[volume.data_type];
  const little = volume.byte_order === "little";
  const scale = white > black ? 255 / (white - black) : 0;
  for (let row = 0; row < rows; row++) {
    const to = (rows - 1 - row) * columns; // y goes upwards
    for (let column = 0; column < columns; column++) {
      const value = read(view, (row * columns + column) * width, little);
      const level = Math.min(255, Math.max(0, Math.round((value - black) * scale))) || 0;
      grey[to + column] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
  }
  return { bitmap: await createImageBitmap(image), bytes: archive.length, blocks: blocks.size };
}
