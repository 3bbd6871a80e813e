// Makes tests/vectors/flo_witness.json with two implementations of FLO that nobody here wrote: npm fcoin and flocore-lib.
//   sh tests/interop/setup.sh && node tests/vectors/make/flo_witness.mjs > tests/vectors/flo_witness.json
// Addresses of scripts and witnesses, what witnesses sign, transactions that spend coins of every kind, and the three
// rules of difficulty. The two must agree wherever both can say something. All keys are public: never use them.
import { createRequire } from 'node:module'
import { strict as assert } from 'node:assert'

const require = createRequire(new URL('../../interop/package.json', import.meta.url))
const fcoin = require('fcoin')
const flocore = require('flocore-lib')
const hash256 = require('bcrypto/lib/hash256')
const sha256 = require('bcrypto/lib/sha256')
const { Address, Coin, MTX, TX, KeyRing, Script } = fcoin
const { Chain } = fcoin
const NETWORKS = ['main', 'testnet', 'regtest']
const TYPES = { all: 1, none: 2, single: 3, all_anyonecanpay: 0x81, none_anyonecanpay: 0x82, single_anyonecanpay: 0x83, all_omit: 0x41 }
const hex = (bytes) => bytes.toString('hex')
const ring = (number, compressed = true) => KeyRing.fromPrivate(Buffer.alloc(32, number), compressed)

// Destinations: hashes that are counted up, in every form, on every network.
const destinations = []
for (const number of [0, 1, 0x7f, 0xff]) {
  for (const [kind, size, make] of [
    ['p2pkh', 20, (hash) => Address.fromPubkeyhash(hash)],
    ['p2sh', 20, (hash) => Address.fromScripthash(hash)],
    ['p2wpkh', 20, (hash) => Address.fromWitnessPubkeyhash(hash)],
    ['p2wsh', 32, (hash) => Address.fromWitnessScripthash(hash)]
  ]) {
    const hash = Buffer.from(Array.from({ length: size }, (_, place) => (number + place * (number & 1)) & 255))
    const address = make(hash)
    const row = { kind, hash: hex(hash), script: hex(Script.fromAddress(address).toRaw()), address: {} }
    for (const name of NETWORKS) {
      row.address[name] = address.toString(name)
      assert(Address.fromString(row.address[name], name).hash.equals(hash))
    }
    destinations.push(row)
  }
}

// A key in every form that pays to it.
const owners = [[1, true], [1, false], [0x5c, true], [0x5c, false]].map(([number, compressed]) => {
  const one = ring(number, compressed)
  const program = Script.fromProgram(0, one.getKeyHash())
  const row = {
    secret: hex(one.privateKey), compressed, p2pk_script: hex(Script.fromPubkey(one.publicKey).toRaw()),
    p2pkh_script: hex(Script.fromPubkeyhash(one.getKeyHash()).toRaw())
  }
  if (compressed) {
    row.p2wpkh_script = hex(program.toRaw())
    row.p2sh_p2wpkh_script = hex(Script.fromScripthash(program.hash160()).toRaw())
  }
  return row
})

function coin (script, number) {
  return Coin.fromOptions({
    version: 2, height: 1, value: 100000000 + number, script, coinbase: false,
    hash: hash256.digest(Buffer.from([number])), index: number
  })
}

function multisig (needed, rings) { return Script.fromMultisig(needed, rings.length, rings.map((one) => one.publicKey)) }

function withScript (one, script, witness, nested = false) {
  const copy = KeyRing.fromPrivate(one.privateKey, one.publicKey.length === 33)
  if (script) copy.script = script
  copy.witness = witness
  copy.nested = nested
  return copy
}

// What spends: a name, the rings that sign, and the script of the coin.
const alone = ring(1)
const old = ring(0x5c, false)
const three = [ring(0x21), ring(0x22), ring(0x23)]
const ofKeys = multisig(2, three)
const mixed = multisig(1, [old, three[0]])
const nestedProgram = Script.fromProgram(0, alone.getKeyHash())
const nestedScript = Script.fromProgram(0, sha256.digest(ofKeys.toRaw()))
const LOCKS = {
  p2pkh: [[alone], Script.fromPubkeyhash(alone.getKeyHash())],
  p2pkh_uncompressed: [[old], Script.fromPubkeyhash(old.getKeyHash())],
  p2pk: [[alone], Script.fromPubkey(alone.publicKey)],
  p2pk_uncompressed: [[old], Script.fromPubkey(old.publicKey)],
  p2wpkh: [[withScript(alone, null, true)], nestedProgram],
  p2sh_p2wpkh: [[withScript(alone, null, true, true)], Script.fromScripthash(nestedProgram.hash160())],
  multisig_2_of_3: [three.slice(1), ofKeys],
  p2sh_multisig_2_of_3: [three.slice(0, 2).map((one) => withScript(one, ofKeys, false)), Script.fromScripthash(ofKeys.hash160())],
  p2sh_multisig_1_of_2_uncompressed: [[withScript(old, mixed, false)], Script.fromScripthash(mixed.hash160())],
  p2wsh_multisig_2_of_3: [three.slice(0, 2).map((one) => withScript(one, ofKeys, true)), nestedScript],
  p2sh_p2wsh_multisig_2_of_3: [three.slice(1).map((one) => withScript(one, ofKeys, true, true)), Script.fromScripthash(nestedScript.hash160())]
}

function build (locks, floData, type, version = 2) {
  const mtx = new MTX()
  mtx.version = version
  mtx.locktime = 7
  mtx.floData = floData
  const coins = locks.map(([, script], number) => coin(script, number + 1))
  for (const one of coins) mtx.addInput({ prevout: { hash: one.hash, index: one.index }, sequence: 0xfffffffe })
  for (const one of coins) mtx.view.addCoin(one)
  mtx.addOutput(Script.fromPubkeyhash(alone.getKeyHash()), 40000000)
  mtx.addOutput(nestedProgram, 50000000)
  locks.forEach(([rings], number) => rings.forEach((one) => { // one by one: its own search passes over bare multisig
    assert(mtx.scriptInput(number, coins[number], one))
    mtx.signInput(number, coins[number], one, type)
  }))
  const tx = TX.fromRaw(mtx.toRaw())
  coins.forEach((one, number) => assert(tx.verifyInput(number, one), `fcoin does not accept its own input ${number} of ${floData}`))
  return { tx, coins }
}

function row (name, locks, type, { tx, coins }) {
  return {
    name, hash_type: type, hex: hex(tx.toRaw()), txid: tx.txid(), wtxid: tx.wtxid(), version: tx.version, flo_data: hex(tx.floData),
    spends: coins.map((one, number) => ({
      value_sat: one.value, script: hex(one.script.toRaw()),
      signers: locks[number][0].map((ring) => ({ secret: hex(ring.privateKey), compressed: ring.publicKey.length === 33 }))
    }))
  }
}

const spends = []
for (const [name, lock] of Object.entries(LOCKS)) {
  spends.push(row(name, [lock], 1, build([lock], Buffer.from('text:spent by ' + name), 1)))
}
spends.push(row('all together', Object.values(LOCKS), 1, build(Object.values(LOCKS), Buffer.alloc(1040, 'json:{"é":0}'), 1)))
for (const [kind, type] of Object.entries(TYPES)) {
  if (type === 0x41) continue
  const two = [LOCKS.p2wpkh, LOCKS.p2sh_p2wpkh]
  spends.push(row(`two witnesses, ${kind}`, two, type, build(two, Buffer.from('text:two'), type)))
}
spends.push(row('a witness in version 1', [LOCKS.p2wpkh], 1, build([LOCKS.p2wpkh], Buffer.alloc(0), 1, 1)))
spends.push(row('a witness and no text', [LOCKS.p2wpkh], 1, build([LOCKS.p2wpkh], Buffer.alloc(0), 1)))

// What a witness signs, by both; fcoin takes the form without floData too.
const hashes = []
for (const [name, text, version] of [
  ['no text', '', 2], ['text', 'text:seen', 2], ['252', 'a'.repeat(252), 2], ['253', 'b'.repeat(253), 2], ['full', 'c'.repeat(1040), 2], ['version 1', '', 1]
]) {
  const { tx, coins } = build([LOCKS.p2wpkh, LOCKS.p2wsh_multisig_2_of_3, LOCKS.p2wpkh], Buffer.from(text), 1, version)
  const theirs = flocore.Transaction(hex(tx.toRaw()))
  const codes = [Script.fromPubkeyhash(alone.getKeyHash()), ofKeys, Script.fromPubkeyhash(alone.getKeyHash())]
  const rows = []
  for (const [kind, type] of Object.entries(TYPES)) {
    coins.forEach((one, number) => {
      const withText = tx.signatureHash(number, codes[number], one.value, type, 1, true)
      const without = tx.signatureHash(number, codes[number], one.value, type, 1, false)
      // flocore-lib knows no version 1 here, and leaves out what this hash type blanks.
      if (version >= 2 && type === 1) {
        const writer = new flocore.encoding.BufferWriter()
        writer.writeVarintNum(codes[number].toRaw().length).write(codes[number].toRaw())
        const amount = new flocore.encoding.BufferWriter().writeUInt64LEBN(new flocore.crypto.BN(one.value)).toBuffer()
        const judged = flocore.Transaction.SighashWitness.sighash(theirs, type, number, writer.toBuffer(), amount)
        assert.equal(hex(judged), hex(withText), `${name} ${kind} ${number}`)
      }
      rows.push({
        kind, hash_type: type, input: number, script_code: hex(codes[number].toRaw()), value_sat: one.value,
        with_flo_data: hex(withText), without_flo_data: hex(without)
      })
    })
  }
  hashes.push({ name, hex: hex(tx.toRaw()), rows })
}

// The next target after a stretch of time, on both sides of each rule's first height and of each bound.
const retargets = []
for (const network of ['main', 'testnet']) {
  const params = fcoin.Network.get(network)
  const starts = [params.pow.blockHeight_Version2, params.pow.blockHeight_Version3]
  for (const height of [90, 180, starts[0] - 90, starts[0], starts[0] + 15, starts[1] - 15, starts[1], starts[1] + 1, 6000000]) {
    for (const bits of [0x1e0ffff0, 0x1d078ab6, 0x1c00ffff, 0x1b3cf13f, 0x1a008000]) {
      const blocks = height >= starts[1] ? 6 : height >= starts[0] ? 15 : 90
      const wanted = blocks * 40
      for (const span of [-7200, 1, wanted * 97 / 100 | 0, wanted - 3, wanted, wanted + 5, wanted * 11 / 10 | 0, wanted * 4, wanted * 9]) {
        const next = Chain.prototype.retarget.call({ network: params }, { height: height - 1, bits, time: 1500000000 + span }, { time: 1500000000 })
        retargets.push([network, height, bits, span, next])
      }
    }
  }
}

process.stdout.write(JSON.stringify({
  about: 'What npm fcoin makes, and flocore-lib where it can say something, agrees with. The keys are public: never send coins to them.',
  made_by: 'tests/vectors/make/flo_witness.mjs',
  versions: { fcoin: require('fcoin/package.json').version, 'flocore-lib': require('flocore-lib/package.json').version },
  destinations, owners, spends, hashes,
  retargets: { columns: ['network', 'height', 'bits', 'span_s', 'next_bits'], rows: retargets }
}).replace(/(\},|\],)(?=[{[])/g, '$1\n') + '\n')
