import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import Docker from "dockerode";
import { startEngine, type TestEngine } from "../harness/engine.ts";
import { Cairn, type Finished } from "./cairn.ts";
import { Desk } from "./desk.ts";
import type { Reply } from "./scriptedServer.ts";

const cairn = new Cairn();
after(() => cairn.remove());
const started = await startEngine();
if ("skipped" in started) {
  test("the dev container of a folder", { skip: started.skipped });
} else {
  after(async () => started.stop());
  devContainers(started);
}

function does(command: string): Reply {
  return { text: "working", calls: [{ id: "call", tool: "exec", args: { command } }] };
}
const done: Reply = { text: "done" };

function devContainers(engine: TestEngine): void {
  const docker = new Docker({ socketPath: engine.socketPath });
  const environment = {
    OPENAI_API_KEY: "sk-test-0123456789abcdef",
    DOCKER_HOST: `unix://${engine.socketPath}`,
    SECRET_OF_THE_HOST: "hunter2",
  };

  async function desk(
    file: object,
    replies: readonly Reply[],
    files: Readonly<Record<string, string>> = {},
  ): Promise<Desk> {
    const made = await Desk.open(cairn, replies, files);
    mkdirSync(join(made.workspace, ".devcontainer"));
    writeFileSync(join(made.workspace, ".devcontainer/devcontainer.json"), JSON.stringify(file));
    return made;
  }
  const start = async (at: Desk, ...more: readonly string[]): Promise<Finished> =>
    at.start(["--sandbox", "docker", "--goal", "Go", ...more], { environment });
  const answer = async (at: Desk, words = "approve"): Promise<Finished> => {
    const { session, waits } = await at.session();
    return at.do(["answer", session, waits[0]?.wait ?? "", words], { environment });
  };
  const told = (at: Desk): string =>
    at.server.asked.at(-1)?.messages.findLast(({ role }) => role === "tool")?.content ?? "";
  const containers = async (session: string) =>
    docker.listContainers({ all: true, filters: { label: [`cairn.session=${session}`] } });

  suite("the dev container of a folder", () => {
    test("asks before anything runs in it, shows what it does not give, and runs its commands inside", async () => {
      const touched = join(cairn.place, "on-the-host");
      const at = await desk(
        {
          image: engine.image,
          initializeCommand: `touch ${touched}`,
          privileged: true,
          mounts: ["source=/,target=/host,type=bind"],
          remoteUser: "root",
          containerEnv: {
            WORD: "of the file",
            STOLEN: "${localEnv:SECRET_OF_THE_HOST}",
            HOME: "/x",
          },
          remoteEnv: { PATH: "${containerEnv:PATH}:/opt/bin" },
          onCreateCommand: "echo first > order; cd /tmp",
          postCreateCommand: ["sh", "-c", "echo second >> order"],
          postStartCommand: { one: "echo third >> order" },
        },
        [does('cat order; pwd; echo "$WORD|$STOLEN|$HOME|$PATH"; id -u; ls /host'), done],
      );
      const asked = await start(at);
      assert.equal(asked.code, 3, asked.stderr);
      assert.equal(at.calls, 0, "no model call before the approval");
      const { session } = await at.session();
      assert.deepEqual(await containers(session), []);
      for (const words of [
        /image cairn-sandbox:test/,
        /identity sha256:[0-9a-f]{64}/,
        /not given: initializeCommand: it would run on your machine/,
        /not given: privileged: /,
        /not given: mounts: /,
        /not given: remoteUser root: nothing ever runs as root/,
        /not given: STOLEN: /,
        /runs inside \(postCreateCommand\): 'sh' '-c' 'echo second >> order'/,
      ]) {
        assert.match(asked.stdout, words);
      }
      const ran = await answer(at);
      assert.equal(ran.code, 3, ran.stderr);
      assert.match(
        told(at),
        /^first\nsecond\nthird\n\/workspace\nof the file\|\|\/agent\/runtime\|\S*:\/opt\/bin\n[1-9]\d*\n/,
      );
      assert.ok(!existsSync(touched));
      assert.doesNotMatch(ran.stdout + asked.stdout, /hunter2/);
      const steps = (await at.records(session)).flatMap((record) =>
        record.kind === "step.completed" ? [record.step] : [],
      );
      assert.deepEqual(
        steps.filter((step) => step.startsWith("sandbox/")),
        [
          "sandbox/image",
          "sandbox/onCreateCommand",
          "sandbox/postCreateCommand",
          "sandbox/postStartCommand.one",
        ],
      );
    });

    test("what was approved is not asked again, and a changed image is", async () => {
      const file = { image: "dev-image:1" };
      await tag(docker, engine.image, "dev-image:1");
      const at = await desk(file, [does("true"), done]);
      assert.equal((await start(at)).code, 3);
      assert.equal((await answer(at)).code, 0);
      const again = await start(at);
      assert.equal(again.code, 0, again.stdout);
      await changeImage(docker, engine.image, "dev-image:1");
      const changed = await start(at);
      assert.equal(changed.code, 3);
      assert.match(changed.stdout, /waiting at sandbox\/approval/);
    });

    test("a no ends the session with what to do, and nothing ran", async () => {
      const at = await desk({ image: engine.image }, [done]);
      await start(at);
      const refused = await answer(at, "reject: not mine");
      assert.equal(refused.code, 1);
      assert.match(
        refused.stdout,
        /not approved \(not mine\).*--dev-container off.*\[sandbox\.imageRefused\]/,
      );
      assert.equal(at.calls, 0);
      const unattended = await start(at, "--unattended");
      assert.equal(unattended.code, 1);
      assert.match(unattended.stdout, /nobody is there to approve it/);
    });

    test("a Dockerfile is shown before it is built, built once, and built again after a rebuild", async () => {
      const dockerfile = `FROM ${engine.image}\nARG WORD\nENV BUILT=$WORD\nCOPY payload /payload\n`;
      const at = await desk(
        { build: { dockerfile: "../Dockerfile", context: "..", args: { WORD: "yes" } } },
        [does("cat /payload; echo $BUILT"), done],
        { Dockerfile: dockerfile, payload: "from the folder\n" },
      );
      const asked = await start(at);
      assert.equal(asked.code, 3, asked.stderr);
      assert.match(asked.stdout, /ENV BUILT=\$WORD/);
      assert.match(asked.stdout, /Arguments: WORD=yes/);
      assert.equal((await docker.listImages({ filters: { reference: ["cairn-dev"] } })).length, 0);
      const ran = await answer(at);
      assert.equal(ran.code, 0, ran.stderr + ran.stdout);
      assert.match(told(at), /^from the folder\nyes\n/);
      assert.match(ran.stderr, /building cairn-dev:[0-9a-f]{16}/);

      const again = await start(at);
      assert.equal(again.code, 0);
      assert.doesNotMatch(again.stderr, /building/);

      const rebuilt = await at.do(["sandbox", "rebuild"], { environment });
      assert.equal(rebuilt.code, 0, rebuilt.stderr);
      assert.equal((await start(at)).code, 3);
      assert.equal((await answer(at)).code, 0);
    });

    test("a folder that changes after the approval is not built from", async () => {
      const at = await desk({ build: { dockerfile: "Dockerfile", context: ".." } }, [done], {
        payload: "seen\n",
      });
      writeFileSync(join(at.workspace, ".devcontainer/Dockerfile"), `FROM ${engine.image}\n`);
      assert.equal((await start(at)).code, 3);
      writeFileSync(join(at.workspace, "payload"), "unseen\n");
      const refused = await answer(at);
      assert.equal(refused.code, 1);
      assert.match(refused.stdout, /has changed since it was approved.*\[sandbox\.devContainer\]/);
    });

    test("a command that fails is told to the model, and those after it do not run; what it was refused is asked about", async () => {
      const at = await desk(
        {
          image: engine.image,
          onCreateCommand: "curl -sS http://elsewhere.example/a; echo broken >&2; exit 7",
          postCreateCommand: "touch later",
        },
        [does("ls"), done],
      );
      await start(at);
      assert.equal((await answer(at)).code, 3);
      const [open] = (await at.session()).waits;
      assert.equal(open?.wait, "sandbox/onCreateCommand/egress/1");
      assert.equal((await answer(at)).code, 0);
      const [first] = at.server.asked[0]?.messages ?? [];
      assert.match(
        first?.content ?? "",
        /onCreateCommand failed.*broken.*exit 7.*The operator allows GET http:\/\/elsewhere\.example\/a now/s,
      );
      assert.doesNotMatch(told(at), /later/);
    });

    test("one that the agent writes runs nothing on the host and nothing in its session, and is asked about once it is yours", async () => {
      const touched = join(cairn.place, "by-the-agent");
      const written = JSON.stringify({
        image: engine.image,
        initializeCommand: `touch ${touched}`,
        postCreateCommand: "touch /workspace/ran",
      });
      const at = await Desk.open(cairn, [
        does(`mkdir .devcontainer; echo '${written}' > .devcontainer/devcontainer.json`),
        done,
      ]);
      const ran = await start(at, "--image", engine.image);
      assert.match(told(at), /\[exit 0/);
      assert.doesNotMatch(ran.stdout, /sandbox\/approval/);
      assert.ok(!existsSync(touched) && !existsSync(join(at.workspace, "ran")));
      assert.ok(!existsSync(join(at.workspace, ".devcontainer")), "it is in the copy only");
      mkdirSync(join(at.workspace, ".devcontainer"));
      writeFileSync(join(at.workspace, ".devcontainer/devcontainer.json"), written);
      const next = await start(at);
      assert.equal(next.code, 3);
      assert.match(next.stdout, /waiting at sandbox\/approval/);
      assert.ok(!existsSync(touched));
    });

    test("a session that is killed while it waits for the approval goes on with the answer, and is not asked twice", async () => {
      const at = await desk({ image: engine.image, postCreateCommand: "echo x >> ran" }, [
        does("cat ran"),
        done,
      ]);
      await tag(docker, engine.image, "dev-image:2");
      writeFileSync(
        join(at.workspace, ".devcontainer/devcontainer.json"),
        JSON.stringify({ image: "dev-image:2", postCreateCommand: "echo x >> ran; sleep 1" }),
      );
      await changeImage(docker, engine.image, "dev-image:2");
      assert.equal((await start(at)).code, 3);
      const { session, waits } = await at.session();
      const killed = await at.do(["answer", session, waits[0]?.wait ?? "", "approve"], {
        environment,
        killWhen: /sandbox\/postCreateCommand/,
      });
      assert.equal(killed.signal, "SIGKILL");
      const resumed = await at.do(["resume", session], { environment });
      assert.equal(resumed.code, 3, resumed.stderr + resumed.stdout);
      assert.match(told(at), /^(\[.*\]\n)?x\n\[exit 0/, "it ran on the tree before it");
    });

    test("without it, or when it is turned off, nothing is asked", async () => {
      const at = await desk({ image: "no-such-image" }, [does("true"), done]);
      const missing = await start(at);
      assert.equal(missing.code, 1);
      assert.match(missing.stderr, /docker pull no-such-image \[sandbox\.imageMissing\]/);
      const off = await start(at, "--dev-container", "off", "--image", engine.image);
      assert.equal(off.code, 0, off.stderr);
    });
  });
}

async function tag(docker: Docker, image: string, name: string): Promise<void> {
  const [repo = "", label = ""] = name.split(":");
  await docker.getImage(image).tag({ repo, tag: label });
}

/** The same name for other bytes. */
async function changeImage(docker: Docker, image: string, name: string): Promise<void> {
  const [repo = "", label = ""] = name.split(":");
  const container = await docker.createContainer({ Image: image, Cmd: ["true"] });
  await container.commit({ repo, tag: label });
  await container.remove();
}
