import { createServer as createWeb } from "node:http";
import { createServer, type Server } from "node:net";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { createHash } from "node:crypto";
import { crc32, gzipSync } from "node:zlib";
import type { SandboxProxyRule } from "../../src/core/proxyRule.ts";
import { Authority } from "../../src/proxy/authority.ts";
import { tarOf } from "../../src/sandbox/tarFile.ts";
import { mustRun } from "../harness/command.ts";

export interface Upstream {
  /** `https://NAME:PORT`, where only who has its authority trusts it. */
  readonly url: string;
  /** Lets all of it be read. */
  readonly rule: SandboxProxyRule;
  /** Paths that were asked for, and the names of the headers that came with them. */
  readonly asked: { readonly path: string; readonly headers: readonly string[] }[];
  close(): Promise<void>;
}

/**
 * A host on the loopback or at another address of this machine, with TLS: a snippet, a git repository, a package for pip and one for npm,
 * all of them as plain files that the tools find by what is usual.
 */
export async function startUpstream(name = "localhost", address = "127.0.0.1"): Promise<Upstream> {
  const authority = new Authority(Date.now());
  const secureContext = authority.contextFor(name);
  const asked: Upstream["asked"] = [];
  const files = new Map<string, Buffer>();
  const web = createWeb(({ url = "", headers }, response) => {
    const [path = ""] = url.split("?");
    asked.push({ path, headers: Object.keys(headers) });
    const file = files.get(path);
    response.writeHead(file === undefined ? 404 : 200, { "content-type": typeOf(path) });
    response.end(file ?? "not here\n");
  });
  // An address is asked for without its name, so that there is one certificate for all.
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    const secured = new TLSSocket(socket, { isServer: true, secureContext });
    secured.on("error", () => secured.destroy());
    web.emit("connection", secured);
  });
  const port = await listening(server, address);
  const url = `https://${name}:${port}`;
  files.set(
    "/snippets/durability",
    Buffer.from("A step is recorded before the next one begins.\n"),
  );
  for (const [path, bytes] of [...(await gitFiles()), ...pipFiles(), ...npmFiles(url)])
    files.set(path, bytes);
  return {
    url,
    rule: {
      name: "upstream",
      hosts: [name],
      ports: [port],
      methods: ["GET", "HEAD"],
      headers: { Authorization: "Bearer {{ wiki-token }}" },
      paths: ["/"],
      addresses: address === "127.0.0.1" ? ["127.0.0.0/8", "::1"] : [`${address}/32`],
      authority: authority.certificate,
    },
    asked,
    close: async () => {
      web.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function listening(server: Server, where: string): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, where, resolve);
  });
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function typeOf(path: string): string {
  if (path.startsWith("/simple/")) return "text/html";
  return path === "/greeting" ? "application/json" : "application/octet-stream";
}

/** A repository as a server of plain files has it. */
async function gitFiles(): Promise<ReadonlyMap<string, Buffer>> {
  const directory = await mkdtemp(join(tmpdir(), "cairn-git-"));
  const git = async (...args: readonly string[]): Promise<string> =>
    mustRun("git", ["-C", directory, "-c", "user.name=a", "-c", "user.email=a@b", ...args]);
  try {
    await git("init", "-q", "-b", "main", "work");
    await writeFile(join(directory, "work/README"), "A repository.\n");
    await git("-C", "work", "add", ".");
    await git("-C", "work", "commit", "-q", "-m", "first");
    await git("clone", "-q", "--bare", "work", "bare");
    await git("-C", "bare", "repack", "-q", "-a", "-d");
    await git("-C", "bare", "update-server-info");
    const list = await mustRun("find", [join(directory, "bare"), "-type", "f"]);
    const paths = list.trim().split("\n");
    const bodies = await Promise.all(paths.map(async (path) => readFile(path)));
    const names = paths.map((path) => path.replace(join(directory, "bare"), "/repo.git"));
    return new Map(names.map((name, at) => [name, bodies[at] ?? Buffer.alloc(0)]));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** An index of one package (PEP 503). */
function pipFiles(): ReadonlyMap<string, Buffer> {
  const wheel = "greeting-1.0-py3-none-any.whl";
  const info = "greeting-1.0.dist-info";
  const metadata = "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n";
  const tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
  const contents: readonly (readonly [string, string])[] = [
    ["greeting.py", "print('hello from pip')\n"],
    [`${info}/METADATA`, metadata],
    [`${info}/WHEEL`, tags],
    [`${info}/RECORD`, ""],
  ];
  return new Map([
    ["/simple/greeting/", Buffer.from(`<a href="/files/${wheel}">${wheel}</a>`)],
    [`/files/${wheel}`, zipOf(contents)],
  ]);
}

/** A registry of one package. */
function npmFiles(url: string): ReadonlyMap<string, Buffer> {
  const manifest = { name: "greeting", version: "1.0.0", main: "index.js" };
  const file = (path: string, text: string) =>
    ({ path: `package/${path}`, mode: 0o644, body: { file: Buffer.from(text) } }) as const;
  const archive = gzipSync(
    tarOf([
      file("package.json", JSON.stringify(manifest)),
      file("index.js", "module.exports = 'hello from npm';\n"),
    ]),
  );
  const integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  const dist = { tarball: `${url}/greeting/-/greeting-1.0.0.tgz`, integrity };
  const versions = { "1.0.0": { ...manifest, dist } };
  const all = { name: "greeting", "dist-tags": { latest: "1.0.0" }, versions };
  return new Map([
    ["/greeting", Buffer.from(JSON.stringify(all))],
    ["/greeting/-/greeting-1.0.0.tgz", archive],
  ]);
}

/** A zip archive of texts, not packed. */
function zipOf(entries: readonly (readonly [name: string, text: string])[]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  for (const [name, text] of entries) {
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x21, 8);
    fields.writeUInt32LE(crc32(text), 10);
    fields.writeUInt32LE(Buffer.byteLength(text), 14);
    fields.writeUInt32LE(Buffer.byteLength(text), 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const where = Buffer.alloc(14);
    where.writeUInt32LE(at, 10);
    const body = Buffer.concat([Buffer.from("PK\x03\x04"), fields, Buffer.from(name + text)]);
    const entry = [Buffer.from("PK\x01\x02\x14\0"), fields, where, Buffer.from(name)];
    bodies.push(body);
    directory.push(Buffer.concat(entry));
    at += body.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...bodies, ...directory, Buffer.from("PK\x05\x06"), end]);
}
