// Fetches a tree through Helia over HTTP alone. usage: node fetch.mjs gateway|routing URL CID
// Prints {"PATH": "SHA-256 in hex", …} of the files, as Helia verified them.

import { createHash } from 'node:crypto'

import { trustlessGateway } from '@helia/block-brokers'
import { createHeliaHTTP } from '@helia/http'
import { delegatedHTTPRouting, httpGatewayRouting } from '@helia/routers'
import { unixfs } from '@helia/unixfs'
import { CID } from 'multiformats/cid'

// Helia is written for Node 22.
Promise.withResolvers ??= () => {
  const out = {}
  out.promise = new Promise((resolve, reject) => Object.assign(out, { resolve, reject }))
  return out
}

const [way, url, text] = process.argv.slice(2)
const router = way === 'routing' ? delegatedHTTPRouting(url) : httpGatewayRouting({ gateways: [url] })
const helia = await createHeliaHTTP({
  blockBrokers: [trustlessGateway({ allowInsecure: true, allowLocal: true })],
  routers: [router]
})
const files = unixfs(helia)
const signal = AbortSignal.timeout(60_000)
const out = {}

async function read (cid, path) {
  for await (const entry of files.ls(cid, { signal })) {
    const place = path === '' ? entry.name : `${path}/${entry.name}`
    if (entry.type === 'directory') {
      await read(entry.cid, place)
      continue
    }
    const hash = createHash('sha256')
    for await (const part of files.cat(entry.cid, { signal })) {
      hash.update(part)
    }
    out[place] = hash.digest('hex')
  }
}

await read(CID.parse(text), '')
console.log(JSON.stringify(out))
await helia.stop()
process.exit(0)
