// Fetch files below a root with Helia, which checks every block: node fetch_checked.mjs GATEWAY ROOT PATH...
// A line of JSON for each. GATEWAY is the only gateway and the only routing server that it is told of.
import { createHash } from 'node:crypto'
import { createVerifiedFetch } from '@helia/verified-fetch'

const [gateway, root, ...paths] = process.argv.slice(2)
const local = { allowLocal: true, allowInsecure: true }
const fetchChecked = await createVerifiedFetch({ gateways: [gateway], routers: [gateway], ...local })
for (const path of paths) {
  const response = await fetchChecked(`ipfs://${root}/${path}`, local)
  const bytes = new Uint8Array(await response.arrayBuffer())
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  console.log(JSON.stringify({ path, status: response.status, sha256 }))
}
await fetchChecked.stop()
process.exit(0)
