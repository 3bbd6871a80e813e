// Asks a daemon as js-oip's own DaemonApi does: {url, dataset, edit} on standard input. Run it with NODE_BACKEND=js.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(import.meta.url)
const { DaemonApi } = require('js-oip')
const { url, dataset } = JSON.parse(readFileSync(0, 'utf8'))
const daemon = new DaemonApi(url)

const shown = (record) => ({
  className: record.constructor.name,
  txid: record.getTXID(),
  title: record.getTitle(),
  isValid: record.isValid().success,
  isSigned: (record.createPreimage(), record.hasValidSignature())
})
const listed = ({ success, artifacts }) => ({ success, artifacts: artifacts.map(shown) })
const query = daemon.createQs([
  { operator: 'wrap', type: 'start' },
  { field: 'artifact.details.defocus', query: '-8' },
  { operator: 'AND' },
  { field: 'artifact.details.microscopist', query: 'Yi-Wei Chang' },
  { operator: 'wrap', type: 'end' },
  { operator: 'OR' },
  { field: 'artifact.info.year', query: '1850' }
])
const parts = await daemon.getMultiparts(dataset.slice(0, 10))
const part = await daemon.getMultipart(dataset)

process.stdout.write(JSON.stringify({
  latest: listed(await daemon.getLatestArtifacts(50)),
  latest042: listed(await daemon.getLatest042Artifacts(1)),
  latest041: listed(await daemon.getLatest041Artifacts(5)),
  byType: listed(await daemon.searchArtifactsByType('research', 'tomogram')),
  byQuery: listed(await daemon.searchArtifacts(query, 10)),
  artifact: shown((await daemon.getArtifact(dataset.slice(0, 6))).artifact),
  record: shown((await daemon.getRecord(dataset)).record),
  none: await daemon.getArtifact('ffff'),
  parts: parts.multiparts.map((one) => [one.getPart(), one.getMax(), one.isComplete(), one.getReference()]),
  joined: parts.multiparts.map((one) => one.getData()).join(''),
  part: [part.multipart.getPart(), part.multipart.getAddress()],
  floData: (await daemon.getFloData(dataset)).tx.tx.floData,
  found: (await daemon.searchFloData('predator', 5)).txs.map((one) => one.tx.txid),
  version: (await daemon.getVersion()).BuiltBy,
  status: await daemon.getSyncStatus(),
  records: (await daemon.getLatestOip5Records({ limit: 5 })).success
}))
