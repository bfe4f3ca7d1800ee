// Random trees through decloud and through npm's importer and exporter, both ways, in both profiles of IPIP-499.
// usage: node run.mjs TOOL [TREES [SEED]]      TOOL is decloud_content_tool
// Prints "ok NAME" or "not ok NAME" lines; exits 1 if any is not ok.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { CarReader, CarWriter } from '@ipld/car'
import * as dagPb from '@ipld/dag-pb'
import { MemoryBlockstore } from 'blockstore-core'
import { exporter, recursive } from 'ipfs-unixfs-exporter'
import { importer } from 'ipfs-unixfs-importer'

const [tool, treesText = '200', seedText = '1'] = process.argv.slice(2)
if (!tool) {
  console.error('usage: node run.mjs TOOL [TREES [SEED]]')
  process.exit(64)
}
const profiles = ['unixfs-v1-2025', 'unixfs-v0-2015']

/** A stream of numbers that is the same for the same seed. */
class Random {
  constructor (seed) {
    this.seed = seed
    this.count = 0
    this.bytes = Buffer.alloc(0)
  }

  take (size) {
    const parts = []
    while (size > 0) {
      if (this.bytes.length === 0) {
        this.bytes = createHash('sha256').update(`${this.seed}/${this.count++}`).digest()
      }
      const part = this.bytes.subarray(0, size)
      this.bytes = this.bytes.subarray(part.length)
      parts.push(part)
      size -= part.length
    }
    return Buffer.concat(parts)
  }

  below (limit) {
    return this.take(4).readUInt32BE() % limit
  }
}

/** Bytes of which no two chunks are the same. */
function content (random, size) {
  const block = random.take(997)
  const parts = []
  for (let at = 0; at < size; at += block.length) {
    parts.push(Buffer.from(block))
    parts.at(-1).writeUInt32LE(at)
  }
  return Buffer.concat(parts).subarray(0, size)
}

// No backslash: npm's importer takes it for an escape.
const letters = ['a', 'b', 'Z', '0', '-', '_', ' ', 'é', '日', '😀', '%', '+', '.']

function name (random) {
  let out = letters[random.below(letters.length - 1)]
  for (let i = 0, size = random.below(12); i < size; i++) {
    out += letters[random.below(letters.length)]
  }
  return out
}

/** Paths below the root with a file's bytes, or null for a folder. */
function makeTree (seed) {
  const random = new Random(seed)
  const entries = new Map()
  const grow = (folder, depth) => {
    for (let i = 0, count = random.below(7); i < count; i++) {
      const path = join(folder, name(random))
      if (entries.has(path)) {
        continue
      }
      const kind = random.below(10)
      if (kind < 3 && depth > 0) {
        entries.set(path, null)
        grow(path, depth - 1)
      } else if (kind < 9) {
        entries.set(path, content(random, random.below(3000)))
      } else {
        const edge = [262144, 1048576][random.below(2)]
        entries.set(path, content(random, edge * (1 + random.below(2)) - 1 + random.below(3)))
      }
    }
  }
  grow('', 4)
  if (seed % 40 === 7) {
    // Around the threshold of sharding of both profiles.
    const folder = 'many'
    entries.set(folder, null)
    for (let i = 0, count = 3500 + random.below(1500); i < count; i++) {
      entries.set(join(folder, random.take(14).toString('hex')), Buffer.from('x'))
    }
  }
  return entries
}

async function writeTree (root, entries) {
  await mkdir(root, { recursive: true })
  for (const [path, bytes] of entries) {
    if (bytes === null) {
      await mkdir(join(root, path), { recursive: true })
    } else {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), bytes)
    }
  }
}

async function readTree (root, folder = '', out = new Map()) {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      out.set(path, null)
      await readTree(root, path, out)
    } else {
      out.set(path, await readFile(join(root, path)))
    }
  }
  return out
}

function expectSame (found, expected) {
  for (const [path, bytes] of expected) {
    const other = found.get(path)
    if (other === undefined || (bytes === null) !== (other === null) || (bytes && !bytes.equals(other))) {
      throw new Error(`${JSON.stringify(path)} differs`)
    }
  }
  if (found.size !== expected.size) {
    throw new Error(`${found.size} entries where ${expected.size} are due`)
  }
}

/** The tree as npm's importer sees it. */
async function importWithNpm (entries, profile) {
  const blocks = new MemoryBlockstore()
  async function * source () {
    yield { path: 'root' }
    for (const [path, bytes] of entries) {
      yield bytes === null ? { path: `root/${path}` } : { path: `root/${path}`, content: bytes }
    }
  }
  let root
  for await (const entry of importer(source(), blocks, { profile })) {
    root = entry.cid
  }
  return { root, blocks }
}

async function writeCar (path, { root, blocks }) {
  const { writer, out } = CarWriter.create([root])
  const done = pipeline(Readable.from(out), createWriteStream(path))
  const written = new Set()
  const write = async cid => {
    if (written.has(cid.toString())) {
      return
    }
    written.add(cid.toString())
    const parts = []
    for await (const part of blocks.get(cid)) {
      parts.push(part)
    }
    const bytes = Buffer.concat(parts)
    await writer.put({ cid, bytes })
    for (const link of cid.code === dagPb.code ? dagPb.decode(bytes).Links : []) {
      await write(link.Hash)
    }
  }
  await write(root)
  await writer.close()
  await done
}

/** The tree in a CAR file as npm's exporter sees it. */
async function exportWithNpm (carPath, cid) {
  const reader = await CarReader.fromBytes(await readFile(carPath))
  const [root] = await reader.getRoots()
  if (root.toString() !== cid) {
    throw new Error(`the CAR's root is ${root}`)
  }
  const blocks = {
    async * get (wanted) {
      const block = await reader.get(wanted)
      if (!block) {
        throw new Error(`the CAR lacks ${wanted}`)
      }
      yield block.bytes
    }
  }
  const out = new Map()
  for await (const { path: fullPath, cid: entryCid } of recursive(root, blocks)) {
    const path = fullPath.split('/').slice(1).join('/')
    if (path === '') {
      continue
    }
    const entry = await exporter(entryCid, blocks)
    if (entry.type === 'directory') {
      out.set(path, null)
      continue
    }
    const parts = []
    for await (const part of entry.content()) {
      parts.push(part)
    }
    out.set(path, Buffer.concat(parts))
  }
  return out
}

class Tool {
  constructor (path) {
    this.process = spawn(path, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.answers = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
  }

  async run (...words) {
    this.process.stdin.write(words.join('\t') + '\n')
    const { value, done } = await this.answers.next()
    const [status, text] = done ? ['error', 'the tool ended'] : value.split('\t')
    if (status !== 'ok') {
      throw new Error(`${words[0]}: ${text}`)
    }
    return text
  }

  close () {
    this.process.stdin.end()
  }
}

let failed = false
async function check (title, body) {
  try {
    await body()
    console.log(`ok ${title}`)
  } catch (error) {
    failed = true
    console.log(`not ok ${title}: ${error.message}`)
  }
}

const work = await mkdtemp(join(tmpdir(), 'decloud-interop-content-'))
const decloud = new Tool(tool)
try {
  for (let index = 0; index < Number(treesText); index++) {
    const entries = makeTree(Number(seedText) * 1_000_000 + index)
    const folder = join(work, `tree-${index}`)
    await writeTree(folder, entries)
    for (const profile of profiles) {
      const car = join(work, 'decloud.car')
      const npmCar = join(work, 'npm.car')
      const back = join(work, 'back')
      await check(`content: tree ${index} in ${profile}`, async () => {
        const cid = await decloud.run('import', profile, folder, car)
        const npm = await importWithNpm(entries, profile)
        if (npm.root.toString() !== cid) {
          throw new Error(`decloud says ${cid}, npm ${npm.root}`)
        }
        expectSame(await exportWithNpm(car, cid), entries)
        await writeCar(npmCar, npm)
        await rm(back, { recursive: true, force: true })
        if (await decloud.run('export', npmCar, back) !== cid) {
          throw new Error('the CAR by npm has another root')
        }
        expectSame(await readTree(back), entries)
      })
    }
    await rm(folder, { recursive: true })
  }
} finally {
  decloud.close()
  await rm(work, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)
