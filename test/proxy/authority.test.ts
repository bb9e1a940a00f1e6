import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, isIP } from "node:net";
import { X509Certificate } from "node:crypto";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { connect, TLSSocket } from "node:tls";
import { Authority } from "../../src/proxy/authority.ts";
import { listening } from "./world.ts";

const run = promisify(execFile);
const minute = 60_000;
const day = 24 * 60 * minute;

test("the session's authority vouches for hosts for thirty days, and for nobody who vouches for others", () => {
  const now = Date.now();
  const certificate = new X509Certificate(new Authority(now).certificate);
  assert.equal(certificate.ca, true);
  assert.equal(certificate.verify(certificate.publicKey), true);
  assert.match(certificate.subject, /^CN=Cairn session [0-9a-f]{16}$/);
  const from = now - Date.parse(certificate.validFrom);
  assert.equal(from >= 5 * minute && from < 6 * minute, true);
  const until = Date.parse(certificate.validTo) - now;
  assert.equal(until > 29 * day && until <= 30 * day, true);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  const other = new X509Certificate(new Authority(now).certificate);
  assert.notEqual(other.serialNumber, certificate.serialNumber);
  assert.notEqual(other.subject, certificate.subject);
});

const hosts = ["api.test", "xn--bcher-kva.test", `${"long.".repeat(20)}test`, "127.0.0.1", "[::1]"];
for (const host of hosts) {
  test(`what it says of ${host} is taken by openssl, as strictly as it can look`, async (t) => {
    const authority = new Authority(Date.now());
    const directory = await mkdtemp(join(tmpdir(), "cairn-authority-"));
    t.after(() => rm(directory, { recursive: true }));
    const [root, leaf] = [join(directory, "root.pem"), join(directory, "leaf.pem")];
    await writeFile(root, authority.certificate);
    await writeFile(leaf, await shownFor(t, authority, host));
    const address = host.replaceAll(/[[\]]/g, "");
    const as = isIP(address) > 0 ? "-verify_ip" : "-verify_hostname";
    const words = ["-x509_strict", "-purpose", "sslserver", as, address, "-CAfile", root, leaf];
    const { stdout } = await run("openssl", ["verify", ...words]);
    assert.match(stdout, /: OK\n$/);
    const other = words.map((word) => (word === address ? "other.test" : word));
    await assert.rejects(run("openssl", ["verify", ...other]));
  });
}

/** The certificate that a client is shown, as PEM. */
async function shownFor(t: TestContext, authority: Authority, host: string): Promise<string> {
  const secureContext = authority.contextFor(host);
  const server = createServer((socket) => {
    const secure = new TLSSocket(socket, { isServer: true, secureContext });
    secure.on("error", () => secure.destroy());
  });
  const port = await listening(t, server);
  const client = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
  await once(client, "secureConnect");
  const certificate = client.getPeerX509Certificate();
  client.destroy();
  if (certificate === undefined) throw new Error("There is no certificate.");
  assert.equal(certificate.ca, false);
  return certificate.toString();
}
