// Makes tests/vectors/flo_fcoin.json with two implementations of FLO that nobody here wrote: npm fcoin and flocore-lib.
//   sh tests/interop/setup.sh && node tests/vectors/make/flo_fcoin.mjs > tests/vectors/flo_fcoin.json
// Both must agree wherever both can say something; the script fails when they do not. All keys are public: never use them.
import { createRequire } from 'node:module'
import { strict as assert } from 'node:assert'

const require = createRequire(new URL('../../interop/package.json', import.meta.url))
const fcoin = require('fcoin')
const flocore = require('flocore-lib')
const merkle = require('bcrypto/lib/merkle')
const hash256 = require('bcrypto/lib/hash256')
const { Coin, MTX, TX, Block, KeyRing, Network, Script } = fcoin
const reversed = (bytes) => Buffer.from(bytes).reverse().toString('hex')
const NETWORKS = ['main', 'testnet', 'regtest']
const SECRETS = ['00'.repeat(31) + '01', '5c'.repeat(32), 'fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140']

const keys = []
for (const secret of SECRETS) {
  for (const compressed of [true, false]) {
    const ring = KeyRing.fromPrivate(Buffer.from(secret, 'hex'), compressed)
    const row = { secret, compressed, public_key: ring.publicKey.toString('hex'), wif: {}, address: {} }
    for (const name of NETWORKS) {
      row.wif[name] = ring.toSecret(name)
      row.address[name] = ring.getAddress('base58', name)
    }
    const theirs = new flocore.PrivateKey(row.wif.main)
    assert.equal(theirs.toAddress().toString(), row.address.main)
    assert.equal(theirs.toWIF(), row.wif.main)
    keys.push(row)
  }
}

// Signed messages: signed by flocore-lib's ECDSA (RFC 6979, compact form).
const messages = []
for (const [secret, compressed, message] of [
  [SECRETS[0], true, ''], [SECRETS[1], true, 'hello'], [SECRETS[1], false, 'hello'],
  [SECRETS[2], true, 'Qmat8i2pn4WnnMiPQcKsKJZahr1scUbuUyXjgSuCPBcsYY-FTSTq8xx8yWUKJA5E3bgXLzZqqG9V6dvnr-1524527532'],
  [SECRETS[1], true, 'a text of more than 252 bytes: ' + 'é✓'.repeat(100)]
]) {
  const ring = KeyRing.fromPrivate(Buffer.from(secret, 'hex'), compressed)
  const writer = new flocore.encoding.BufferWriter()
  for (const part of ['Florincoin Signed Message:\n', message]) {
    const bytes = Buffer.from(part)
    writer.writeVarintNum(bytes.length).write(bytes)
  }
  const digest = flocore.crypto.Hash.sha256sha256(writer.toBuffer())
  const ecdsa = flocore.crypto.ECDSA().set({ hashbuf: digest, privkey: new flocore.PrivateKey(ring.toSecret('main')) })
  ecdsa.sign()
  ecdsa.calci()
  const signature = ecdsa.sig.toCompact(undefined, compressed).toString('base64')
  messages.push({ secret, compressed, message, digest: digest.toString('hex'), address: ring.getAddress('base58', 'main'), signature })
}

const TYPES = { all: 1, none: 2, single: 3, all_anyonecanpay: 0x81, none_anyonecanpay: 0x82, single_anyonecanpay: 0x83 }

function coin (script, number) {
  return Coin.fromOptions({
    version: 2, height: 1, value: 100000000 + number, script, coinbase: false,
    hash: hash256.digest(Buffer.from([number])), index: number
  })
}

function text (bytes) { return Buffer.alloc(bytes, 'json:{"é":0}') }

function build (ring, floData, type, options = {}) {
  const mtx = new MTX()
  mtx.version = options.version ?? 2
  mtx.locktime = options.locktime ?? 0
  mtx.floData = floData
  const script = options.witness ? Script.fromProgram(0, ring.getKeyHash()) : Script.fromPubkeyhash(ring.getKeyHash())
  const coins = [coin(script, 1), coin(script, 2)].slice(0, options.inputs ?? 1)
  for (const one of coins) mtx.addInput({ ...{ prevout: { hash: one.hash, index: one.index } }, sequence: options.sequence ?? 0xffffffff })
  for (const one of coins) mtx.view.addCoin(one)
  mtx.addOutput(Script.fromPubkeyhash(ring.getKeyHash()), 40000000)
  mtx.addOutput(Script.fromPubkeyhash(Buffer.alloc(20, 7)), 50000000)
  assert.equal(mtx.sign(ring, type), coins.length)
  const tx = TX.fromRaw(mtx.toRaw())
  for (let i = 0; i < coins.length; i++) assert(tx.verifyInput(i, coins[i]), 'fcoin does not accept its own signature')
  return { tx, coins }
}

function row (name, ring, built, type) {
  const { tx, coins } = built
  const hex = tx.toRaw().toString('hex')
  const out = {
    name, secret: ring.privateKey.toString('hex'), compressed: ring.publicKey.length === 33, hash_type: type, hex,
    txid: tx.txid(), wtxid: tx.wtxid(), version: tx.version, flo_data: tx.floData.toString('hex'),
    previous_scripts: coins.map((one) => one.script.toRaw().toString('hex')), signature_hashes: []
  }
  const theirs = flocore.Transaction(hex)
  if (tx.floData.equals(Buffer.from(tx.floData.toString()))) { // flocore-lib keeps floData as text
    assert.equal(theirs.id, out.txid, name)
    assert.equal(theirs.toString(), hex, name)
  }
  if (tx.hasWitness()) return out
  for (const [kind, number] of Object.entries(TYPES)) {
    for (let i = 0; i < coins.length; i++) {
      const withText = tx.signatureHash(i, coins[i].script, 0, number, 0, true).toString('hex')
      const without = tx.signatureHash(i, coins[i].script, 0, number, 0, false).toString('hex')
      if (tx.version >= 2 && tx.floData.equals(Buffer.from(tx.floData.toString()))) {
        const judged = flocore.Transaction.Sighash.sighash(theirs, number, i, flocore.Script(coins[i].script.toRaw()))
        assert.equal(reversed(judged), withText, `${name} ${kind} ${i}`)
      }
      out.signature_hashes.push({ kind, hash_type: number, input: i, with_flo_data: withText, without_flo_data: without })
    }
  }
  return out
}

const transactions = []
const rings = SECRETS.map((secret, n) => KeyRing.fromPrivate(Buffer.from(secret, 'hex'), n !== 1))
for (const bytes of [0, 1, 252, 253, 540, 1040]) {
  transactions.push(row(`floData of ${bytes} bytes`, rings[0], build(rings[0], text(bytes), 1), 1))
}
for (const [kind, number] of Object.entries(TYPES)) {
  const built = build(rings[2], Buffer.from('text:two inputs'), number, { inputs: 2, locktime: 5, sequence: 0xfffffffe })
  transactions.push(row(`two inputs, ${kind}`, rings[2], built, number))
}
transactions.push(row('uncompressed key', rings[1], build(rings[1], Buffer.from('text:old'), 1), 1))
transactions.push(row('bytes that are no UTF-8', rings[0], build(rings[0], Buffer.from('fffe00ff', 'hex'), 1), 1))
transactions.push(row('version 1', rings[0], build(rings[0], Buffer.alloc(0), 1, { version: 1 }), 1))
transactions.push(row('version 3', rings[0], build(rings[0], Buffer.from('text:three'), 1, { version: 3 }), 1))
transactions.push(row('a witness', rings[0], build(rings[0], Buffer.from('text:witness'), 1, { witness: true }), 1))

function coinbase (height) {
  const mtx = new MTX()
  mtx.version = 2
  mtx.floData = Buffer.from(`text:block ${height}`)
  mtx.addInput({ prevout: { hash: Buffer.alloc(32), index: 0xffffffff }, script: new Script().pushInt(height).pushInt(0).compile() })
  mtx.addOutput(Script.fromPubkeyhash(rings[0].getKeyHash()), 10000000000)
  return TX.fromRaw(mtx.toRaw())
}

const blocks = []
for (const name of NETWORKS) {
  const raw = Buffer.from(Network.get(name).genesisBlock, 'hex')
  blocks.push(blockRow(`genesis of ${name}`, name, Block.fromRaw(raw)))
}
let previous = Block.fromRaw(Buffer.from(Network.get('regtest').genesisBlock, 'hex'))
for (const [height, size] of [[1, 1], [2, 2], [16, 3], [17, 5], [128, 8], [32768, 13]]) {
  const block = new Block()
  block.version = 0x20000000
  block.prevBlock = previous.hash()
  block.time = previous.time + 40
  block.bits = previous.bits
  block.txs.push(coinbase(height))
  for (let i = 1; i < size; i++) block.txs.push(TX.fromRaw(Buffer.from(transactions[i % transactions.length].hex, 'hex')))
  block.merkleRoot = block.createMerkleRoot()
  while (!block.verifyPOW()) { block.nonce += 1; block.refresh() }
  block.refresh(true)
  blocks.push({ height, ...blockRow(`${size} transactions`, 'regtest', Block.fromRaw(block.toRaw())) })
  previous = block
}

function blockRow (name, network, block) {
  const leaves = block.txs.map((tx) => tx.hash())
  const branch = (index) => merkle.createBranch(hash256, index, leaves.slice()).map((one) => one.toString('hex'))
  const raw = block.toRaw().toString('hex')
  assert.equal(flocore.Block.fromString(raw).id, reversed(block.hash()))
  return {
    name, network, hex: raw, hash: reversed(block.hash()), pow_hash: reversed(block.powHash()), merkle_root: reversed(block.merkleRoot),
    previous_hash: reversed(block.prevBlock), version: block.version, time_s: block.time, bits: block.bits, nonce: block.nonce,
    txids: block.txs.map((tx) => tx.txid()), flo_data: block.txs.map((tx) => tx.floData.toString('hex')),
    branches: block.txs.map((_, index) => branch(index))
  }
}

process.stdout.write(JSON.stringify({
  about: 'What npm fcoin makes and flocore-lib agrees with. The keys are public: never send coins to them.',
  made_by: 'tests/vectors/make/flo_fcoin.mjs',
  versions: { fcoin: require('fcoin/package.json').version, 'flocore-lib': require('flocore-lib/package.json').version },
  keys, messages, transactions, blocks
}, null, 1) + '\n')
