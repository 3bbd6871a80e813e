// Makes tests/vectors/ipfs_unixfs.json with npm ipfs-unixfs-importer 17.1.1: the oracle of the 1 MiB profile.
//   sh tests/interop/setup.sh && node tests/vectors/make/ipfs_unixfs.mjs > tests/vectors/ipfs_unixfs.json
// Content of a row: byte i is (i * 7 + (i >> 12) * 13 + (i >> 20) * 31 + seed) mod 256, so that no file need be kept.
const judge = (file) => import(new URL(`../../interop/node_modules/ipfs-unixfs-importer/dist/src/${file}`, import.meta.url))
const { importer } = await judge('index.js')
const { fixedSize } = await judge('chunker/index.js')
const { balanced } = await judge('layout/index.js')

const MIB = 1024 * 1024

function content (size, seed) {
  const out = new Uint8Array(size)
  for (let i = 0; i < size; i++) out[i] = (i * 7 + (i >> 12) * 13 + (i >> 20) * 31 + seed) & 255
  return out
}

const nowhere = { async put (cid) { return cid }, async has () { return false }, async get () { throw new Error('not kept') } }

async function run (source, leafBytes, width, cidVersion = 1, rawLeaves = true) {
  const entries = []
  const options = {
    cidVersion, rawLeaves, reduceSingleLeafToSelf: true, wrapWithDirectory: false,
    chunker: fixedSize({ chunkSize: leafBytes }), layout: balanced({ maxChildrenPerNode: width })
  }
  for await (const entry of importer(source, nowhere, options)) entries.push(entry)
  return entries[entries.length - 1].cid.toString()
}

const file = (size, seed, ...profile) => run([{ content: content(size, seed) }], ...profile)
const v1 = [MIB, 1024]
const rows = []
for (const [size, seed] of [[0, 0], [1, 1], [MIB - 1, 2], [MIB, 3], [MIB + 1, 4], [2 * MIB, 5], [5 * MIB + 17, 6]]) {
  rows.push({ profile: 'unixfs-v1-2025', size, seed, cid: await file(size, seed, ...v1) })
}
// The same layout at small leaves and widths: many levels from little content.
for (const [size, width] of [[1024, 4], [4096, 4], [4097, 4], [16384, 4], [16385, 4], [20000, 3], [65536, 2], [70001, 16]]) {
  rows.push({ leaf_bytes: 256, width, size, seed: 9, cid: await file(size, 9, 256, width) })
}
for (const size of [0, 1, 262144, 262145, 1000000]) {
  rows.push({ profile: 'unixfs-v0-2015', size, seed: 7, cid: await file(size, 7, 262144, 174, 0, false) })
}

const trees = []
for (const paths of [
  ['a'], ['b', 'a', 'B', 'aa', 'é.mrc'], ['x/one.mrc', 'x/two.mrc', 'y.txt'], ['d/e/f/g.bin', 'd/e.bin', 'd/a/z'],
  Array.from({ length: 300 }, (_, i) => `images/frame_${String(i).padStart(4, '0')}.jpg`)
]) {
  const files = paths.map((path, i) => ({ path: 'root/' + path, size: (i * 37) % 500, seed: i & 255 }))
  const cid = await run(files.map(f => ({ path: f.path, content: content(f.size, f.seed) })), ...v1)
  trees.push({ profile: 'unixfs-v1-2025', files: files.map(f => ({ ...f, path: f.path.slice(5) })), cid })
}

// One full node, and one leaf more than that: 1024 and 1025 leaves of zeros.
const zeros = {}
for (const count of [1024, 1025]) {
  const leaf = new Uint8Array(MIB)
  zeros[count] = await run([{ content: (async function * () { for (let i = 0; i < count; i++) yield leaf })() }], ...v1)
}

console.log(JSON.stringify({
  about: 'CIDs by npm ipfs-unixfs-importer 17.1.1. Content: byte i is (i*7 + (i>>12)*13 + (i>>20)*31 + seed) mod 256. Tree sizes below the directories are not in it: the CID covers them.',
  made_by: 'tests/vectors/make/ipfs_unixfs.mjs', files: rows, trees, zero_mebibytes: zeros
}, null, 1))
