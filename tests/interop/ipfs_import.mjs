// The CIDs of rows of files and directories by npm ipfs-unixfs-importer, whose profiles are those of IPIP-499.
// Standard input: JSON list of {profile, seed, size} or {profile, files: {path: [seed, size]}} or {profile, names: [..]};
// standard output: JSON list of CIDs. Content: the ChaCha20 keystream of the seed, as in tests/vectors/make/ipfs_content.py.
import { createCipheriv, createHash } from 'node:crypto'
import { importer } from 'ipfs-unixfs-importer'

const PIECE = 1024 * 1024
const nowhere = { async put (cid) { return cid }, async has () { return false }, async get () { throw new Error('not kept') } }

async function * keystream (seed, size) {
  const cipher = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
  for (let at = 0; at < size; at += PIECE) yield new Uint8Array(cipher.update(Buffer.alloc(Math.min(PIECE, size - at))))
}

async function * sources (row) {
  if (row.names) for (const name of row.names) yield { path: 'root/' + name, content: new Uint8Array([120]) }
  else if (row.files) for (const [path, [seed, size]] of Object.entries(row.files)) yield { path: 'root/' + path, content: keystream(seed, size) }
  else yield { content: keystream(row.seed, row.size) }
}

let text = ''
for await (const piece of process.stdin) text += piece
const cids = []
for (const row of JSON.parse(text)) {
  let last
  for await (const entry of importer(sources(row), nowhere, { profile: row.profile, wrapWithDirectory: false })) last = entry
  cids.push(last.cid.toString())
}
console.log(JSON.stringify(cids))
