// Reads [{hex, scripts: [hex of the coin's script, one an input]}] and says how flocore-lib reads each transaction.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'

const flocore = createRequire(import.meta.url)('flocore-lib')
const answers = JSON.parse(readFileSync(0, 'utf8')).map(({ hex, scripts }) => {
  const transaction = flocore.Transaction(hex)
  const verified = scripts.map((script, index) => {
    const interpreter = new flocore.Script.Interpreter()
    return interpreter.verify(transaction.inputs[index].script, flocore.Script(Buffer.from(script, 'hex')), transaction, index, 0)
  })
  return { id: transaction.id, hex: transaction.toString(), text: transaction.strFloData, verified }
})
process.stdout.write(JSON.stringify(answers))
