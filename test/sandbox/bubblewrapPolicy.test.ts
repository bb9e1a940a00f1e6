import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, suite, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { CairnError } from "../../src/core/errors.ts";
import { BubblewrapPlace } from "../../src/sandbox/bubblewrapPlace.ts";
import { bubblewrapFindings } from "../../src/sandbox/bubblewrapProof.ts";
import { run, text } from "../contracts/sandbox.ts";
import { root } from "../harness/root.ts";
import { type BubblewrapUnderTest, bubblewrapPlace, whyNoBubblewrap } from "./bubblewrapPlace.ts";

const skipped = await whyNoBubblewrap();
if (skipped === null) {
  policyAsSeenInside();
  lifeAndDeath();
} else {
  test("the policy of bubblewrap", { skip: skipped });
}

test("a control that does not hold is named, and no answer is not held", () => {
  const findings = bubblewrapFindings("user.notRoot\t0 0 0 0\x1ecalls.filtered\t0", new Set());
  const wrong = findings.filter(({ verdict }) => verdict === "broken");
  assert.deepEqual(wrong[0], {
    control: "user.notRoot",
    wanted: "1000",
    found: "0 0 0 0",
    verdict: "broken",
  });
  assert.equal(wrong.find(({ control }) => control === "calls.filtered")?.found, "0");
  assert.equal(wrong.find(({ control }) => control === "root.readOnly")?.found, "no answer");
});

/** Makes system calls by number, and says how each ended. */
const calls = `
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
numbers = {"x86_64": {"ptrace": 101, "mount": 165, "unshare": 272, "keyctl": 250, "bpf": 321, "userfaultfd": 323, "setns": 308, "perf_event_open": 298},
  "aarch64": {"ptrace": 117, "mount": 40, "unshare": 97, "keyctl": 219, "bpf": 280, "userfaultfd": 282, "setns": 268, "perf_event_open": 241}}[platform.machine()]
numbers["io_uring_setup"] = 425
for name in sorted(numbers):
  print(name, libc.syscall(numbers[name], 0, 0, 0, 0, 0), os.strerror(ctypes.get_errno()))
import socket
for family in (socket.AF_INET, socket.AF_UNIX, socket.AF_VSOCK, socket.AF_ALG):
  try: socket.socket(family, socket.SOCK_STREAM).close(); print(int(family), "made")
  except OSError as error: print(int(family), error.strerror)
`;

function policyAsSeenInside(): void {
  suite("what a command in bubblewrap can do is limited, as seen from inside", () => {
    let place: BubblewrapUnderTest;
    const output = async (command: string): Promise<string> =>
      text((await run(place.sandbox, command)).stdout);
    before(async () => {
      process.env["CAIRN_TEST_SECRET"] = "SECRET";
      place = await bubblewrapPlace();
      await place.sandbox.start();
    });
    after(async () => place.close());

    test("every control is proven, and what cannot be had is said", async () => {
      const findings = await place.sandbox.check();
      assert.deepEqual(
        findings.filter(({ verdict }) => verdict !== "held").map(({ control }) => control),
        ["memory.bounded", "processor.bounded", "image.pinned"],
      );
      assert.equal(new Set(findings.map(({ control }) => control)).size, findings.length);
    });

    test("a shell that lies about itself does not reach the proof", async () => {
      await output(
        "printf() { :; }; export -f printf; export BASH_ENV=/workspace/e PATH=/workspace",
      );
      const findings = await place.sandbox.check();
      assert.deepEqual(
        findings.filter(({ verdict }) => verdict === "broken"),
        [],
      );
      await run(place.sandbox, "exit");
    });

    test("a proof comes whole while the place answers others", async () => {
      const pipes = await mkdtemp(join(place.state, "pipes-"));
      if (process.getuid?.() === 0) await chown(pipes, 1000, 1000);
      const paths = { logs: join(place.state, "logs"), runtime: join(place.state, "runtime") };
      const worker = new BubblewrapPlace({ tree: place.tree, ...paths, pipes, proxy: null });
      await worker.start();
      const shell = await worker.openShell({ side() {}, ended() {}, lost() {} });
      const proven = new AbortController();
      const others = (async () => {
        while (!proven.signal.aborted)
          await Promise.all(Array.from({ length: 20 }, async () => shell.processes()));
      })();
      try {
        for (let round = 0; round < 10; round += 1) {
          const findings = bubblewrapFindings(await worker.proof(), new Set());
          assert.deepEqual(
            findings.filter(({ verdict }) => verdict === "broken"),
            [],
          );
        }
      } finally {
        proven.abort();
        await others;
        await worker.stop();
      }
    });

    test("it writes in the workspace, in its own directories and in /tmp, nowhere else", async () => {
      const tries =
        "/workspace/x /agent/logs/x /agent/runtime/x /tmp/x /x /etc/x /usr/bin/x /agent/x /agent/secrets/x /dev/x /proc/sys/kernel/hostname";
      const written = await output(
        `for f in ${tries}; do { echo >$f; } 2>/dev/null && echo $f; done`,
      );
      assert.equal(written, "/workspace/x\n/agent/logs/x\n/agent/runtime/x\n/tmp/x\n");
    });

    test("nothing of the host's environment, descriptors, users and homes is there", async () => {
      const seen = await output(
        "cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'; env; cat /etc/passwd; ls /; cat /proc/mounts",
      );
      assert.doesNotMatch(seen, /SECRET/u);
      assert.equal(await output("ls /home /root /etc/shadow /etc/hostname 2>/dev/null"), "");
      assert.equal(await output("sleep 9 & sleep 0.1; ls /proc/$!/fd; kill $!"), "0\n1\n2\n");
    });

    test("calls deep into the kernel are refused", async () => {
      await writeFile(join(place.tree, "calls.py"), calls);
      const answer = await output("python3 /workspace/calls.py");
      const refused = [
        "bpf",
        "io_uring_setup",
        "keyctl",
        "mount",
        "perf_event_open",
        "ptrace",
        "setns",
        "unshare",
        "userfaultfd",
      ].map((name) => `${name} -1 Operation not permitted\n`);
      const sockets =
        "2 made\n1 made\n40 Address family not supported by protocol\n38 Address family not supported by protocol\n";
      assert.equal(answer, refused.join("") + sockets);
    });

    test("it has no network", async () => {
      const dial = await run(place.sandbox, "exec 3<>/dev/tcp/192.0.2.1/80", 5_000);
      assert.match(text(dial.stderr), /Network is unreachable/u);
    });

    test("a program that takes too much memory is refused it, and the shell lives", async () => {
      const python = await run(place.sandbox, "word=kept; python3 -c 'bytearray(3 << 30)'");
      assert.match(text(python.stderr), /MemoryError/u);
      assert.equal(await output("echo $word"), "kept\n");
    });

    test("what is written to /tmp and to shared memory ends at a size", async () => {
      const filled = await output(
        "for d in /tmp /dev/shm; do head -c 300M /dev/zero 2>/dev/null >$d/big; stat -c %s $d/big; rm $d/big; done",
      );
      const sizes = filled.trim().split("\n").map(Number);
      assert.ok((sizes[0] ?? 0) <= 128 << 20 && (sizes[1] ?? 0) <= 64 << 20, filled);
    });

    test("a fork bomb ends with its shell, and the next command works", async () => {
      await run(place.sandbox, "bomb() { bomb | bomb & }; bomb; sleep 0.3", 3_000);
      await run(place.sandbox, "true", 3_000);
      assert.equal(await output("echo on"), "on\n");
    });

    test("rm -rf / leaves the host alone", async () => {
      const beside = join(place.state, "beside");
      await writeFile(beside, "mine\n");
      await run(place.sandbox, "rm -rf --no-preserve-root / 2>/dev/null");
      assert.equal(await readFile(beside, "utf8"), "mine\n");
      assert.equal(await output("echo on"), "on\n");
    });

    test("what a command puts in a pipe's place is not opened on the host", async () => {
      const outside = join(place.state, "outside");
      await writeFile(outside, "");
      await run(
        place.sandbox,
        `cd /run/cairn; for p in *; do rm -f $p; ln -s ${outside} $p; done; cd /workspace`,
      );
      for (let n = 0; n < 3; n += 1) {
        await run(place.sandbox, "sleep 100 & echo out; echo err >&2; true").catch(() => undefined);
      }
      assert.equal(await readFile(outside, "utf8"), "");
      assert.equal(await output("echo on"), "on\n");
    });
  });
}

function lifeAndDeath(): void {
  suite("a place of bubblewrap comes, goes and is lost without a trace", () => {
    test("a stop ends every process and removes the pipes", async () => {
      const place = await bubblewrapPlace();
      const { state } = place;
      await run(place.sandbox, "setsid sleep 87651 & trap '' TERM; true");
      assert.equal((await sleepers("87651")).length, 1);
      await place.sandbox.stop();
      assert.deepEqual(await sleepers("87651"), []);
      assert.deepEqual((await readdir(state)).toSorted(), ["logs", "runtime", "workspace"]);
      await place.close();
    });

    test("a host that is killed takes the place with it", async (context) => {
      const place = await bubblewrapPlace();
      context.after(async () => place.close());
      const child = spawn(
        process.execPath,
        [join(root, "test/sandbox/bubblewrapHost.ts"), place.state],
        {
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
      await once(child.stdout, "data");
      assert.equal((await sleepers("87652")).length, 1);
      child.kill("SIGKILL");
      for (let n = 0; n < 100 && (await sleepers("87652")).length > 0; n += 1) await sleep(20);
      assert.deepEqual(await sleepers("87652"), []);
      await place.sandbox.start();
      const pipes = (await readdir(place.state)).filter((name) => name.startsWith("pipes-"));
      assert.equal(pipes.length, 1, "the pipes of the dead host are removed");
    });

    test("a place that is killed during a command is a lost sandbox", async (context) => {
      const place = await bubblewrapPlace();
      context.after(async () => place.close());
      await run(place.sandbox, "true");
      const startedAt = performance.now();
      const running = run(place.sandbox, "sleep 87653");
      process.kill(await processOne(await untilSleeping("87653")), "SIGKILL");
      await assert.rejects(running, (error: unknown) => CairnError.is(error, "sandbox.lost"));
      assert.ok(performance.now() - startedAt < 10_000);
      assert.equal((await run(place.sandbox, "echo on")).exitCode, 0);
    });

    const asRoot = process.getuid?.() === 0 ? {} : { skip: "needs root, to be another user" };

    test(
      "where namespaces are forbidden it says so, with the command that mends it",
      asRoot,
      async (context) => {
        const inside = [
          "bwrap",
          "--dev-bind",
          "/",
          "/",
          "--unshare-user",
          "--disable-userns",
          "--",
        ];
        const said = await hostOf1234(context, inside);
        assert.match(
          said,
          /^sandbox\.unavailable The bubblewrap sandbox cannot be started here: .+apt-get install bubblewrap.+--sandbox docker\.\n$/u,
        );
      },
    );

    test("an ordinary user has the same place", asRoot, async (context) => {
      const said = await hostOf1234(context, []);
      assert.equal(said, "on memory.bounded processor.bounded image.pinned\n");
    });
  });
}

/** What a host of an ordinary user says first. */
async function hostOf1234(context: TestContext, within: readonly string[]): Promise<string> {
  const state = await mkdtemp(join(tmpdir(), "cairn-bubblewrap-"));
  await chown(state, 1234, 1234);
  const user = ["--reuid", "1234", "--regid", "1234", "--clear-groups", "--"];
  const script = join(root, "test/sandbox/bubblewrapHost.ts");
  const child = spawn("setpriv", [...user, ...within, process.execPath, script, state], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  context.after(async () => {
    child.kill("SIGKILL");
    await rm(state, { recursive: true, force: true });
  });
  const [said] = await once(child.stdout, "data");
  return String(said);
}

/** Host process ids of `sleep` for so long. */
async function sleepers(seconds: string): Promise<readonly number[]> {
  const processes = (await readdir("/proc")).filter((name) => /^\d+$/u.test(name));
  const found = processes.map(async (pid) => {
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return line === `sleep\0${seconds}\0` ? [Number(pid)] : [];
  });
  return (await Promise.all(found)).flat();
}

async function untilSleeping(seconds: string): Promise<number> {
  for (;;) {
    const [pid] = await sleepers(seconds);
    if (pid !== undefined) return pid;
    await sleep(20);
  }
}

/** The host's number of process 1 of the place that a process is in. */
async function processOne(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  if (/^NSpid:.*\t1$/mu.test(status)) return pid;
  return processOne(Number(/^PPid:\t(\d+)$/mu.exec(status)?.[1]));
}
