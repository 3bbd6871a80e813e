// A section's bytes fetched as an archive of IPLD blocks and checked against the CID of the file, here in the browser:
// no server is believed. What is hashed is what is drawn.

const RAW = 0x55;
const DAG_PB = 0x70;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const ALPHABET_58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** What an archive may cost before it is believed. */
export const LIMITS = {
  head: 16384, // bytes before the first block
  block: 2 << 20, // bytes of a block
  overhead: 4 << 20, // bytes of an archive beyond those of the section and of the leaves at its ends
  section: 128 << 20, // bytes of a section that is checked
  links: 8192, // of a node
  depth: 8,
  visits: 65536, // nodes and leaves on the way through the tree
};

class Wrong extends Error {}

/** The bytes of a CID: base32 of version 1, base58 of version 0. */
export function cidBytes(text) {
  if (text.length > 200) throw new Wrong("this CID is too long");
  if (text.startsWith("Qm")) return base58(text);
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

function base58(text) {
  let bytes = [0];
  for (const letter of text) {
    let carry = ALPHABET_58.indexOf(letter);
    if (carry < 0) throw new Wrong("this CID is not in base58");
    bytes = bytes.map((octet) => {
      carry += octet * 58;
      const low = carry & 0xff;
      carry >>= 8;
      return low;
    });
    while (carry) {
      bytes.push(carry & 0xff);
      carry >>= 8;
    }
  }
  return Uint8Array.from(bytes.reverse());
}

function varint(bytes, at) {
  let value = 0;
  let scale = 1;
  for (let n = 0; n < 8; n++) {
    if (at >= bytes.length) throw new Wrong("the archive is cut off");
    const octet = bytes[at++];
    value += (octet & 0x7f) * scale;
    if (octet < 0x80) {
      if (!Number.isSafeInteger(value)) break;
      return [value, at];
    }
    scale *= 128;
  }
  throw new Wrong("a number in the archive is too long");
}

/** A CID at a place: its codec, its digest in hexadecimal, and the place behind it. */
function readCid(bytes, at) {
  if (bytes[at] === 0x12 && bytes[at + 1] === 0x20) {
    if (at + 34 > bytes.length) throw new Wrong("a CID is cut off");
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
  if (length > LIMITS.head || at + length > archive.length) throw new Wrong("the archive is cut off");
  at += length; // the header says which roots; ours is known
  while (at < archive.length) {
    [length, at] = varint(archive, at);
    const end = at + length;
    if (end > archive.length || length < 34) throw new Wrong("the archive is cut off");
    const cid = readCid(archive, at);
    if (end < cid.end || end - cid.end > LIMITS.block) throw new Wrong("a block is too long");
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
  const sizes = [];
  let inline = new Uint8Array();
  for (const [number, value] of fields(block)) {
    if (number <= 2 && typeof value === "number") throw new Wrong("a node that is none");
    if (number === 2) {
      for (const [part, bytes] of fields(value)) if (part === 1 && typeof bytes !== "number") links.push(readCid(bytes, 0));
      if (links.length > LIMITS.links) throw new Wrong("a node has too many links");
    } else if (number === 1) {
      for (const [part, content] of fields(value)) {
        if (part === 4) sizes.push(content);
        if (part === 2) inline = content;
        if (sizes.length > LIMITS.links || (part === 2 && typeof content === "number")) throw new Wrong("a node that is none");
      }
    }
  }
  if (links.length !== sizes.length) throw new Wrong("a node whose sizes do not fit its links");
  return { links, sizes, inline };
}

/** Puts the bytes from `start` to `stop` of a file together, from checked blocks alone. */
export function assemble(blocks, root, start, stop) {
  if (!(start >= 0 && stop >= start && stop - start <= LIMITS.section)) throw new Wrong("a section of an impossible size");
  const out = new Uint8Array(stop - start);
  let filled = 0;
  let visits = 0;
  const put = (bytes, offset) => {
    const from = Math.max(start, offset);
    const to = Math.min(stop, offset + bytes.length);
    if (to > from) {
      out.set(bytes.subarray(from - offset, to - offset), from - start);
      filled += to - from;
    }
  };
  const walk = (cid, offset, size, depth) => {
    if (size === 0 || offset >= stop || offset + size <= start) return;
    if (depth > LIMITS.depth) throw new Wrong("the file's tree is too deep");
    if (++visits > LIMITS.visits) throw new Wrong("the file's tree has too many branches");
    const block = blocks.get(cid.digest);
    if (!block) throw new Wrong("a block of this section did not come");
    if (cid.codec === RAW) {
      if (block.length !== size) throw new Wrong("a leaf is not as long as its parent says");
      put(block, offset);
      return;
    }
    if (cid.codec !== DAG_PB) throw new Wrong("a block of a kind that files do not have");
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

/** The body of an answer, up to a limit: a server that never ends is left. */
export async function boundedBody(answer, most) {
  const parts = [];
  let size = 0;
  const reader = answer.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      reader.cancel().catch(() => {});
      throw new Wrong("the archive is longer than this section can be");
    }
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function halfFloat(bits) {
  const [sign, power, part] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (power === 31) return part ? NaN : sign * Infinity;
  return sign * (power ? 2 ** (power - 15) * (1 + part / 1024) : 2 ** -14 * (part / 1024));
}

const READERS = {
  int8: (view, at) => view.getInt8(at),
  uint8: (view, at) => view.getUint8(at),
  int16: (view, at, little) => view.getInt16(at, little),
  uint16: (view, at, little) => view.getUint16(at, little),
  int32: (view, at, little) => view.getInt32(at, little),
  float32: (view, at, little) => view.getFloat32(at, little),
  float16: (view, at, little) => halfFloat(view.getUint16(at, little)),
};
const WIDTHS = { int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, float32: 4, float16: 2 };

/** Why a checked view has one plane: it draws nothing that was not checked. */
export const ONE_PLANE = " Planes x and y cannot be checked without the whole file: they come back when “Check bytes” is off.";

/** Whether sections of this volume can be drawn from their bytes here. @returns {string} "" or why not */
export function whyNotChecked(volume) {
  if (!globalThis.crypto?.subtle) return "this browser hashes only on pages that came over HTTPS or from this machine";
  if (volume.kind !== "mrc") return "sections of an OME-Zarr are not in one piece; the portal checks its chunks itself";
  if (!(volume.data_type in READERS)) return `values of type ${volume.data_type} are not drawn here`;
  if (volume.plane_bytes > LIMITS.section) return "its sections are too large to be fetched whole";
  return "";
}

/** Where the archive of a section is: blocks from the file's CID down to the leaves that hold it (IPIP-402). */
export function archiveUrl(volume, index) {
  const start = volume.data_offset + index * volume.plane_bytes;
  return `/ipfs/${volume.cid}?format=car&dag-scope=entity&entity-bytes=${start}:${start + volume.plane_bytes - 1}`;
}

/** Values as grey levels of a picture, y upwards. @param {Uint8Array} bytes of a section @returns {Uint8ClampedArray} RGBA */
export function greyOf(volume, bytes, black, white) {
  const [, rows, columns] = volume.shape;
  const width = WIDTHS[volume.data_type];
  if (bytes.length !== rows * columns * width) throw new Wrong("this section has another size than its header says");
  const grey = new Uint32Array(rows * columns);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const read = READERS[volume.data_type];
  const little = volume.byte_order === "little";
  const scale = white > black ? 255 / (white - black) : 0;
  for (let row = 0; row < rows; row++) {
    const to = (rows - 1 - row) * columns;
    for (let column = 0; column < columns; column++) {
      const value = read(view, (row * columns + column) * width, little);
      const level = Math.min(255, Math.max(0, Math.floor((value - black) * scale + 0.5))) || 0;
      grey[to + column] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
  }
  return new Uint8ClampedArray(grey.buffer);
}

/** A section as a picture, made of checked bytes. @returns {Promise<{bitmap: ImageBitmap, bytes: number, blocks: number}>} */
export async function checkedSection(volume, index, black, white, signal) {
  const start = volume.data_offset + index * volume.plane_bytes;
  const stop = start + volume.plane_bytes;
  let archive;
  try {
    const answer = await fetch(archiveUrl(volume, index), { signal });
    if (!answer.ok) throw new Wrong(`the portal does not send its archive (HTTP ${answer.status})`);
    archive = await boundedBody(answer, volume.plane_bytes + 2 * LIMITS.block + LIMITS.overhead);
  } catch (error) {
    if (error.name === "AbortError" || error instanceof Wrong) throw error;
    throw new Wrong("the archive broke off: the portal does not vouch for these bytes");
  }
  const blocks = await checkedBlocks(archive);
  const bytes = assemble(blocks, cidBytes(volume.cid), start, stop);
  const [, rows, columns] = volume.shape;
  const image = new ImageData(greyOf(volume, bytes, black, white), columns, rows);
  return { bitmap: await createImageBitmap(image), bytes: archive.length, blocks: blocks.size };
}
