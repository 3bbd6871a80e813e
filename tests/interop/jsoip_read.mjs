// Reads {records: [text], sets: [[text of a part]]} and says how js-oip reads them. Run it with NODE_BACKEND=js.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(import.meta.url)
const { Modules, decodeArtifact } = require('js-oip')
const { MPSingle, MultipartX } = Modules
const { records, sets } = JSON.parse(readFileSync(0, 'utf8'))

const readRecords = records.map((text) => {
  const { artifact } = JSON.parse(text.slice('json:'.length)).oip042.publish
  const record = decodeArtifact({ artifact, meta: { type: 'oip042' } })
  record.createPreimage()
  return {
    className: record.constructor.name,
    isValid: record.isValid(),
    isSigned: record.hasValidSignature(),
    title: record.getTitle(),
    species: record.getSpeciesName(),
    sid: record.getSID(),
    location: record.getLocation(),
    files: record.getFiles().map((file) => [file.getFilename(), file.getFilesize(), file.getSubtype()])
  }
})

const readSets = sets.map((texts) => {
  const parts = texts.map((text) => {
    const [, part, max, address, reference, signature, data] = /^oip-mp\((\d+),(\d+),(\w+),(\w*),([^)]*)\):([^]*)$/.exec(text)
    return new MPSingle({ part: Number(part), max: Number(max), address, reference, signature, data })
  })
  return { areValid: parts.map((part) => part.isValid()), joined: new MultipartX(parts).toString() }
})

process.stdout.write(JSON.stringify({ records: readRecords, sets: readSets }))
