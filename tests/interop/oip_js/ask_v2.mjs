// Asks the older API as oip-js, which etdb-react was built on, does: {url, publisher, dataset} on standard input.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(import.meta.url)
const { OIPJS } = require('oip-js')
const { url, publisher, dataset } = JSON.parse(readFileSync(0, 'utf8'))
const Core = OIPJS({
  OIPdURL: url,
  backupOIPdURL: url,
  runIPFSJS: false,
  runIPFSAPIUpload: false,
  runIPFSAPICluster: false,
  indexFilters: { publisher, type: 'Research', subtype: 'Tomogram' }
})
const asked = (call) => new Promise((resolve, reject) => call(resolve, (error) => reject(new Error(String(error)))))
const shown = (artifact) => ({
  txid: artifact.getTXID(),
  title: artifact.getTitle(),
  type: `${artifact.getType()}-${artifact.getSubtype()}`,
  species: artifact.getDetail('speciesName'),
  location: artifact.getLocation(),
  publisherName: artifact.getPublisherName(),
  files: artifact.getFiles().map((file) => [file.getFilename(), file.getFilesize()])
})
const all = await asked((done, failed) => Core.Index.getArtifacts('*', done, failed))
const one = await asked((done, failed) => Core.Index.getArtifactFromID(dataset.slice(0, 6), done, failed))
const found = await asked((done, failed) => Core.Network.searchOIPd({ protocol: 'media', 'search-on': '*', 'search-for': 'predator' }, done, failed))
const publishers = await asked((done, failed) => Core.Network.getPublishersFromOIPd(done, failed))

process.stdout.write(JSON.stringify({
  all: all.map(shown),
  one: shown(one),
  found: found.map((artifact) => artifact.txid),
  publishers: publishers.map((each) => each.name)
}))
process.exit(0)
