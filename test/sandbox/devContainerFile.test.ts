import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { CairnError } from "../../src/core/errors.ts";
import { readDevContainer } from "../../src/sandbox/devContainerFile.ts";
import { imageEnv } from "../../src/sandbox/devContainerVariables.ts";

const path = ".devcontainer/devcontainer.json";
const read = (value: object | string) =>
  readDevContainer(typeof value === "string" ? value : JSON.stringify(value), path, "project");
const image = "debian:12";
const refusedOf = (value: object): readonly string[] => read({ image, ...value }).refused;

suite("a dev container file", () => {
  test("may have comments and trailing commas", () => {
    const file = read(
      '// ours\n{ "image": "debian:12", /* old */ "containerEnv": {"A": "1",}, }\n',
    );
    assert.deepEqual(file.source, { kind: "image", image });
    assert.deepEqual(file.env, { A: "1" });
  });

  test("that is broken is refused with its line and what to do", () => {
    assert.throws(() => read('{\n"image": }'), {
      code: "sandbox.devContainer",
      message: /devcontainer\.json: line 2 is no JSON .*--dev-container off/,
    });
    assert.throws(() => read("[]"), { code: "sandbox.devContainer" });
    assert.throws(() => read({ image: 7 }), { message: /image: / });
  });

  test("without an image and a Dockerfile is refused, a compose file with it", () => {
    assert.throws(() => read({ dockerComposeFile: "compose.yml", service: "app" }), {
      code: "sandbox.devContainer",
      message: /names no image and no Dockerfile/,
    });
  });

  test("builds from a Dockerfile in the folder, by the old names, too", () => {
    const build = { dockerfile: "Dockerfile", context: "..", args: { V: "1" }, target: "dev" };
    assert.deepEqual(read({ build }).source, {
      kind: "build",
      dockerfile: ".devcontainer/Dockerfile",
      context: "",
      args: { V: "1" },
      target: "dev",
    });
    assert.deepEqual(read({ dockerFile: "Dockerfile" }).source, {
      kind: "build",
      dockerfile: ".devcontainer/Dockerfile",
      context: ".devcontainer",
      args: {},
      target: null,
    });
  });

  for (const where of ["../../outside", "/etc", "..\\..\\x", "C:\\x", "a/../../../b", "x\0y"]) {
    test(`never builds from ${JSON.stringify(where)}`, () => {
      assert.throws(() => read({ build: { dockerfile: where } }), { code: "sandbox.devContainer" });
      assert.throws(() => read({ build: { dockerfile: "D", context: where } }), {
        code: "sandbox.devContainer",
      });
    });
  }

  for (const name of ["--privileged", "x; touch /tmp/p", "$(id)", "-v/:/h", "UPPER", ""]) {
    test(`takes no ${JSON.stringify(name)} for an image`, () => {
      assert.throws(() => read({ image: name }), { code: "sandbox.devContainer" });
    });
  }

  test("names each thing that it does not get, and the rest stands", () => {
    const asked = {
      initializeCommand: "touch /tmp/on-the-host",
      privileged: true,
      capAdd: ["SYS_ADMIN"],
      securityOpt: ["seccomp=unconfined"],
      mounts: ["source=/,target=/h,type=bind"],
      workspaceMount: "source=/,target=/w,type=bind",
      features: { "ghcr.io/x/y:1": {} },
      forwardPorts: [3000],
      postAttachCommand: "true",
      runArgs: ["--privileged"],
      somethingNew: 1,
    };
    const { refused, source } = read({ image, ...asked });
    assert.deepEqual(source, { kind: "image", image });
    for (const name of Object.keys(asked)) {
      assert.equal(refused.filter((sentence) => sentence.startsWith(name)).length, 1, name);
    }
    assert.ok(refused.every((sentence) => /^\S.*\.$/.test(sentence)));
  });

  test("never gets the command for the host, in any of its forms", () => {
    for (const initializeCommand of ["touch x", ["touch", "x"], { a: "touch x" }]) {
      const { commands, refused } = read({ image, initializeCommand });
      assert.deepEqual(commands, []);
      assert.deepEqual(refused, [
        "initializeCommand: it would run on your machine, so it never runs.",
      ]);
    }
  });

  test("takes only variables of the arguments for docker run", () => {
    const text =
      "-e A=1 --env=B=2=3 --init --network=host -v /:/h --pid host --device=/dev/kvm --userns=host --runtime unknown -e HOSTS_OWN";
    const runArgs = text.split(" ");
    const file = read({ image, runArgs });
    assert.deepEqual(file.env, { A: "1", B: "2=3" });
    assert.deepEqual(
      file.refused.map((sentence) => sentence.replace(/:[^:]*$/, "")),
      [
        "runArgs --network=host",
        "runArgs -v /:/h",
        "runArgs --pid host",
        "runArgs --device=/dev/kvm",
        "runArgs --userns=host",
        "runArgs --runtime unknown",
        "runArgs -e HOSTS_OWN",
      ],
    );
  });

  test("never runs as root, and says so by name", () => {
    for (const user of ["root", "0", "0:0", "root:wheel", " 00 "]) {
      assert.match(
        refusedOf({ remoteUser: user })[0] ?? "",
        /^remoteUser .*nothing ever runs as root/,
      );
      assert.match(refusedOf({ containerUser: user })[0] ?? "", /nothing ever runs as root/);
    }
    assert.match(
      refusedOf({ remoteUser: "vscode" })[0] ?? "",
      /^remoteUser vscode: .*your own number/,
    );
  });

  test("never gets a variable of the host, and what takes one is left out by name", () => {
    const file = read({
      image,
      containerEnv: { SECRET: "${localEnv:HOME}", NAME: "${localWorkspaceFolderBasename}" },
      remoteEnv: { OLD: "${env:PATH}", HOST: "${localWorkspaceFolder}", GONE: null },
      postCreateCommand: "echo ${localEnv:HOME}",
      onCreateCommand: "cd ${containerWorkspaceFolder}",
    });
    assert.deepEqual(file.env, { NAME: "project" });
    assert.deepEqual(file.commands, [{ name: "onCreateCommand", command: "cd /workspace" }]);
    assert.deepEqual(
      file.refused.map((sentence) => sentence.split(":")[0]),
      ["SECRET", "OLD", "HOST", "postCreateCommand"],
    );
  });

  test("may add to a variable of the image", () => {
    const { env } = read({ image, remoteEnv: { PATH: "${containerEnv:PATH}:/opt/bin" } });
    assert.deepEqual(imageEnv(env, ["PATH=/usr/bin"]), ["PATH=/usr/bin:/opt/bin"]);
    assert.deepEqual(imageEnv({ A: "${containerEnv:NONE:a}${containerEnv:NONE}" }, null), ["A=a"]);
  });

  test("never sets a variable that changes the shell", () => {
    const names = ["BASH_ENV", "LD_PRELOAD", "ENV", "PROMPT_COMMAND", "SHELLOPTS", "BASH_FUNC_x%%"];
    const containerEnv = Object.fromEntries(names.map((name) => [name, "x"]));
    const file = read({ image, containerEnv });
    assert.deepEqual(file.env, {});
    assert.equal(file.refused.length, names.length);
  });

  test("starts commands in the copy of the folder, wherever it wants them", () => {
    assert.equal(read({ image, workspaceFolder: "/workspace/app/" }).directory, "/workspace/app");
    for (const workspaceFolder of [
      "/",
      "/workspaces/x",
      "/workspace/../etc",
      "/workspace2",
      "${localEnv:X}",
    ]) {
      const file = read({ image, workspaceFolder });
      assert.equal(file.directory, "/workspace");
      assert.match(file.refused[0] ?? "", /^workspaceFolder/);
    }
  });

  test("gives its commands in the order of their lives: text, list and several", () => {
    const { commands } = read({
      image,
      postStartCommand: "start &",
      postCreateCommand: { two: ["echo", "it's", "$HOME; id"], one: "make" },
      updateContentCommand: "  ",
      onCreateCommand: ["npm", "ci"],
    });
    assert.deepEqual(commands, [
      { name: "onCreateCommand", command: "'npm' 'ci'" },
      { name: "postCreateCommand.two", command: String.raw`'echo' 'it'\''s' '$HOME; id'` },
      { name: "postCreateCommand.one", command: "make" },
      { name: "postStartCommand", command: "start &" },
    ]);
  });

  test("whatever is in it, it is understood or refused with a sentence", () => {
    const names = fc.constantFrom(
      "image",
      "build",
      "runArgs",
      "containerEnv",
      "remoteUser",
      "mounts",
      "__proto__",
      "constructor",
      "postCreateCommand",
      "workspaceFolder",
    );
    fc.assert(
      fc.property(fc.dictionary(names, fc.jsonValue()), (value) => {
        try {
          const { refused } = read(JSON.stringify(value));
          assert.ok(refused.every((sentence) => !/[\n\0]/.test(sentence)));
        } catch (error) {
          assert.ok(CairnError.is(error, "sandbox.devContainer"), String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
