import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { access, mkdir, mkdtemp, rm, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { bridgePrograms } from "../../src/sandbox/bridgeScript.ts";
import { wardenScript } from "../../src/sandbox/warden.ts";
import { whyNoBubblewrap } from "./bubblewrapPlace.ts";

const skipped = await whyNoBubblewrap();

/** Asks a warden that finds one program alone, then talks through what it started. */
const inside = String.raw`
coproc WARDEN { PATH=/programs exec /usr/bin/bash --noprofile --norc -c "$1"; }
until [[ $answer == *';1' ]]; do
  ((tries += 1)) && ((tries > 500)) && exit 9
  echo bridge t >&${"$"}{WARDEN[1]}
  IFS= read -r -d '' <&${"$"}{WARDEN[0]}; IFS= read -r -d '' answer <&${"$"}{WARDEN[0]}
  read -r -t 0.01 <> <(:)
done
/usr/bin/python3 -IS -c "$2"
echo "$answer"
exec {WARDEN[1]}>&-
wait
`;

/** Many at once: each says more than any buffer holds, ends its own half, and then hears as much. */
const talk = String.raw`
import socket, threading
size, wrong = 300000, []
def one(n):
  c = socket.create_connection(("127.0.0.1", 3128))
  c.sendall(bytes([65 + n]) * size); c.shutdown(socket.SHUT_WR)
  heard = b""
  while True:
    got = c.recv(65536)
    if not got: break
    heard += got
  if heard != bytes([65 + n]) * size: wrong.append((n, len(heard)))
threads = [threading.Thread(target=one, args=(n,)) for n in range(20)]
for t in threads: t.start()
for t in threads: t.join()
print("wrong:", wrong)
`;

suite("what leads from a place to its proxy", { skip: skipped ?? false }, () => {
  let directory: string;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const heard: Buffer[] = [];
    socket.on("data", (bytes: Buffer) => heard.push(bytes));
    socket.on("end", () => socket.end(Buffer.concat(heard)));
    socket.on("error", () => undefined);
  });
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "cairn-bridge-"));
    await new Promise<void>((resolve) => {
      server.listen(join(directory, "proxy.sock"), resolve);
    });
  });
  after(async () => {
    server.close();
    await rm(directory, { recursive: true, force: true });
  });

  for (const program of bridgePrograms.split(", ")) {
    test(`${program} is enough for it`, async (context) => {
      const path = `/usr/bin/${program}`;
      const missing = await access(path).then(
        () => false,
        () => true,
      );
      if (missing) {
        context.skip(`${path} is not installed`);
        return;
      }
      const programs = join(directory, `with-${program}`);
      await mkdir(programs);
      await symlink(path, join(programs, program));
      const said = await bubblewrapped(programs, [wardenScript(), talk]);
      assert.match(said, new RegExp(`^wrong: \\[\\]\\nt ${program};1\\n$`, "u"));
    });
  }

  async function bubblewrapped(programs: string, args: readonly string[]): Promise<string> {
    const merged = ["bin", "lib", "lib64"].flatMap((name) => [
      "--symlink",
      `usr/${name}`,
      `/${name}`,
    ]);
    const place = ["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", ...merged];
    const system = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"];
    const own = ["--ro-bind", directory, "/agent/proxy", "--ro-bind", programs, "/programs"];
    const bash = ["/usr/bin/bash", "--noprofile", "--norc", "-c", inside, "bash", ...args];
    return new Promise((resolve, reject) => {
      const all = [...place, ...system, ...own, ...bash];
      execFile("bwrap", all, { timeout: 20_000 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
      });
    });
  }
});
