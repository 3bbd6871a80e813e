// Reads {edits: [{record, edit}]}: how js-oip reads our edits of our records.
// Its own way of applying a patch is used (rfc6902). Run it with NODE_BACKEND=js.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const require = createRequire(import.meta.url)
const { decodeArtifact } = require('js-oip')
const { applyPatch } = require('rfc6902')
const { EditRecord } = require('js-oip/lib/modules/records/edit')
const { edits } = JSON.parse(readFileSync(0, 'utf8'))

const readEdits = edits.map(({ record, edit }) => {
  const { artifact } = JSON.parse(record.slice('json:'.length)).oip042.publish
  const said = JSON.parse(edit.slice('json:'.length)).oip042.edit
  const read = new EditRecord({ edit: said.artifact, signature: said.signature })
  read.setPubAddress(artifact.floAddress)
  const failures = applyPatch(artifact, said.artifact.patch).filter((one) => one !== null)
  const patched = decodeArtifact({ artifact, meta: { type: 'oip042' } })
  patched.createPreimage()
  return {
    className: read.getClassName(),
    isValid: read.isValid(),
    preimage: read.createPreimage(),
    isSigned: read.hasValidSignature(),
    failures: failures.length,
    patched: { isValid: patched.isValid(), isSigned: patched.hasValidSignature(), title: patched.getTitle(), location: patched.getLocation() }
  }
})

process.stdout.write(JSON.stringify({ edits: readEdits }))
