// Makes tests/vectors/oip_jsoip.json with npm js-oip 2.5.1, a publisher's library that nobody here wrote.
//   sh tests/interop/setup.sh && NODE_BACKEND=js node tests/vectors/make/oip_jsoip.mjs > tests/vectors/oip_jsoip.json
// What js-oip signs, it checks itself before it is written here. Protobuf messages are encoded by npm protons 1.2.1.
// The key is public: never use it.
import { createRequire } from 'node:module'
import { createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { strict as assert } from 'node:assert'

const require = createRequire(new URL('../../interop/package.json', import.meta.url))
const protons = require('protons')
const { Modules } = require('js-oip')
const { ResearchTomogram, Artifact } = require('js-oip/lib/modules/records/artifact')
const { EditRecord } = require('js-oip/lib/modules/records/edit')
const fromJsOip = createRequire(require.resolve('js-oip'))
const { sign } = fromJsOip('bitcoinjs-message')
const { ECPair, payments } = fromJsOip('bitcoinjs-lib')
const { floMainnet } = require('js-oip/lib/config')
const { MPSingle, MultipartX, Records } = Modules

const MAGIC = '\u001bFlorincoin Signed Message:\n'
const SECRET = '5c'.repeat(32)
const pair = ECPair.fromPrivateKey(Buffer.from(SECRET, 'hex'), { network: floMainnet.network })
const { address } = payments.p2pkh({ pubkey: pair.publicKey, network: floMainnet.network })
const signMessage = async (text) => sign(text, pair.privateKey, pair.compressed, MAGIC).toString('base64')
const idOf = (text) => createHash('sha256').update(text).digest('hex')

async function signed (record, verb) {
  const { success, error } = await record.signSelf(signMessage)
  assert(success, String(error))
  assert(record.hasValidSignature())
  return { text: record.serialize(verb), preimage: record.getPreimage(), signature: record.getSignature() }
}

function tomogram (title, files, timestamp, notes = 'Notes with "quotes", <tags> & é ✓') {
  const record = new ResearchTomogram()
  record.setType('research')
  record.setSubtype('tomogram')
  record.setPubAddress(address)
  record.setTimestamp(timestamp)
  record.setTitle(title)
  record.setDescription('Made by js-oip')
  record.setTags(['etdb', 'electron.tomography'])
  record.setNetwork('ipfs')
  record.setLocation('Qmat8i2pn4WnnMiPQcKsKJZahr1scUbuUyXjgSuCPBcsYY')
  record.setDate(1389657600)
  record.setSpeciesName('Caulobacter crescentus')
  record.setStrain('NA1000')
  record.setNCBITaxID(155892)
  record.setScopeName('Caltech Polara')
  record.setArtNotes(notes)
  record.setTiltSingleDual(1)
  record.setTiltConstant(1)
  record.setTiltMax(60.5)
  record.setTiltStep(1)
  record.setDefocus(-10)
  record.setDosage(180)
  record.setMagnification(22500)
  record.setMicroscopist('Rasika Ramdasi')
  record.setInstitution('Caltech')
  record.setLab('Jensen Lab')
  record.setSID('rr2014-01-14-5')
  for (let i = 0; i < files; i++) {
    record.addFile({ fname: `3dimage_${i}/file ${i}.mrc`, dname: `file ${i}.mrc`, fsize: 1000 + i, type: 'tomogram', subtype: 'reconstruction', software: 'RAPTOR', fNotes: `note ${i}` })
  }
  return record
}

async function multipart (name, text, digits) {
  const singles = new MultipartX(text).getMultiparts()
  const parts = []
  let first
  for (const one of singles) {
    one.setAddress(address)
    if (first) one.setReference(first.slice(0, digits))
    const { error } = await one.signSelf(signMessage)
    assert(!error, String(error))
    assert(one.isValid().success)
    const shown = one.toString()
    first = first ?? idOf(shown)
    // It signs as many bytes as a message has UTF-16 units: beyond ASCII, less than all of it.
    const is_signed = Buffer.byteLength(one.getSignatureData()) === one.getSignatureData().length
    parts.push({ txid: idOf(shown), text: shown, is_signed })
  }
  assert.equal(new MultipartX(singles).toString(), text)
  return { name, digits, parts, text }
}

const records = []
for (const [title, files, timestamp, notes] of [
  ['A tomogram in seconds', 1, 1528156632], ['A tomogram in milliseconds', 1, 1636000000123],
  ['Many files', 40, 1528156633, 'ASCII only'], ['Many files ✓', 12, 1528156633]
]) {
  const record = tomogram(title, files, timestamp, notes)
  records.push({ title, files, timestamp, ...await signed(record, 'publish') })
}

const image = new Artifact()
image.setPubAddress(address)
image.setTimestamp(1528156634)
image.setTitle('An image')
image.setType('Image')
image.setSubtype('Basic')
image.addFile({ fname: 'a.jpg', type: 'Image' })
image.setLocation('QmImage')
const publisher = new Records.Publisher()
publisher.setAlias('Jensen-Lab')
publisher.setMainAddress(address)
publisher.setTimestamp(1528156635)
publisher.setPubAddress(address)
const others = [
  { kind: 'publish/image/basic', title: 'An image', ...await signed(image, 'publish') },
  { kind: 'register/pub', title: 'Jensen-Lab', ...await signed(publisher, 'register') }
]

// An edit: the patch that js-oip makes between two versions of a record, and what it signs.
const original = tomogram('Before', 1, 1528156636)
await original.signSelf(signMessage)
original.setTXID(idOf('original'))
original.setOriginalTXID(idOf('original'))
const patched = tomogram('After', 2, 1528156637)
patched.setTXID(idOf('original'))
patched.setOriginalTXID(idOf('original'))
const edit = new EditRecord(undefined, original, patched)
edit.setTimestamp(1528156638)
edit.setPubAddress(address)
const edited = await signed(edit, 'edit')
const edits = [{ dataset_id: idOf('original'), timestamp: 1528156638, patch: edit.getPatch(), ...edited }]

const long = records[2].text
const multiparts = [
  await multipart('a record, full references', long, 64),
  await multipart('a record, references of ten digits', long, 10),
  await multipart('plain text', 'p'.repeat(5000), 64),
  await multipart('letters beyond ASCII', records[3].text, 64)
]

// OIP 0.5: signed protobuf messages, the same record in parts among them.
const schema = protons(`
  message Signed { bytes body = 1; uint32 type = 2; uint32 signatureType = 3; bytes address = 4; bytes signature = 5; }
  message Part { uint32 number = 1; uint32 count = 2; bytes data = 3; Txid reference = 4; }
  message Txid { bytes raw = 1; }
  message OipFive { Template template = 1; }
  message Template { string name = 1; string description = 2; }
`)
async function protobuf (type, body, zipped) {
  const signature = await signMessage(body.toString('base64'))
  const message = schema.Signed.encode({
    body, type, signatureType: 1, address: Buffer.from(address), signature: Buffer.from(signature, 'base64')
  })
  return zipped ? 'gp64:' + gzipSync(message).toString('base64') : 'p64:' + message.toString('base64')
}
async function protobufParts (name, text, zipped) {
  const whole = Buffer.from(text)
  const count = Math.ceil(whole.length / 600)
  const parts = []
  for (let number = 0; number < count; number++) {
    const part = { number, count, data: whole.subarray(number * 600, (number + 1) * 600) }
    if (number) part.reference = { raw: Buffer.from(parts[0].txid.slice(0, 16), 'hex') }
    const shown = await protobuf(3, schema.Part.encode(part), zipped)
    parts.push({ txid: idOf(shown), text: shown, is_signed: true })
  }
  return { name, digits: 16, parts, text }
}
const template = schema.OipFive.encode({ template: { name: 'A template ✓', description: 'of nothing' } })
const templates = [await protobuf(1, template, false), await protobuf(1, template, true)]
for (const zipped of [false, true]) multiparts.push(await protobufParts(zipped ? 'gp64' : 'p64', records[3].text, zipped))

console.log(JSON.stringify({
  about: 'Records, registrations, edits and multipart messages made and signed by npm js-oip 2.5.1 on FLO main net. A part\'s txid is a stand-in: the SHA-256 of its text. js-oip signs parts beyond ASCII wrongly (is_signed: false).',
  versions: { 'js-oip': require('js-oip/package.json').version, protons: require('protons/package.json').version, node: process.versions.node },
  secret: SECRET, address, records, others, edits, multiparts, templates
}, null, 1))
