// Fetch a dataset with Helia over bitswap: a peer's address and the root's CID as arguments. Every file's path, size and
// SHA-256 as JSON. It listens nowhere, knows nobody but that peer, and asks nobody else.

import { createHash } from 'node:crypto'
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { withBitswap } from '@helia/bitswap'
import { withLibp2pLight } from '@helia/libp2p'
import { unixfs } from '@helia/unixfs'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'
import { CID } from 'multiformats/cid'

const [peer, root] = process.argv.slice(2)
const helia = await withBitswap(withLibp2pLight(createHeliaLight(), {
  addresses: { listen: [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() }
})).start()
await helia.libp2p.dial(multiaddr(peer))
const content = unixfs(helia)
const files = {}

async function fetchAll (cid, path) {
  for await (const entry of content.ls(cid)) {
    const name = path === '' ? entry.name : `${path}/${entry.name}`
    const stat = await content.stat(entry.cid)
    if (stat.type === 'directory') {
      await fetchAll(entry.cid, name)
      continue
    }
    const hash = createHash('sha256')
    let size = 0
    for await (const piece of content.cat(entry.cid)) {
      hash.update(piece)
      size += piece.byteLength
    }
    files[name] = [size, hash.digest('hex')]
  }
}

await fetchAll(CID.parse(root), '')
process.stdout.write(JSON.stringify(files))
await helia.stop()
process.exit(0)
