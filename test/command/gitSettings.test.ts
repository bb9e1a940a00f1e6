import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, suite, test } from "node:test";
import { commandReader } from "../../src/command/commandReader.ts";

/** A repository whose own settings and files start a program, and what a person would type to start it. */
interface Trap {
  readonly what: string;
  readonly set: (repository: Repository) => void;
  readonly started: string;
}

const environment = {
  PATH: "/usr/local/bin:/usr/bin:/bin",
  HOME: "/nonexistent",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "a",
  GIT_AUTHOR_EMAIL: "a@example.invalid",
  GIT_COMMITTER_NAME: "a",
  GIT_COMMITTER_EMAIL: "a@example.invalid",
};
const places: string[] = [];
after(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true });
});

class Repository {
  readonly place = mkdtempSync(join(tmpdir(), "cairn-git-"));
  /** A program that leaves a file when it is started. */
  readonly program = join(this.place, ".git", "program");
  readonly #mark = join(this.place, ".git", "mark");

  constructor() {
    places.push(this.place);
    this.git("init", "-q");
    writeFileSync(this.program, `#!/bin/sh\ntouch "${this.#mark}"\ncat\n`);
    chmodSync(this.program, 0o755);
    this.write("a.txt", "one\n");
    this.git("add", "a.txt");
    this.git("commit", "-qm", "first");
    this.write("a.txt", "two\n");
  }

  git(...words: readonly string[]): string {
    return this.run(["git", ...words]);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.place, name), text);
  }

  run([program = "", ...words]: readonly string[], input = ""): string {
    const options = { cwd: this.place, env: environment, input, timeout: 20_000 };
    return spawnSync(program, words, options).stdout.toString();
  }

  /** Whether the program was started since the last time. */
  wasStarted(): boolean {
    const found = existsSync(this.#mark);
    rmSync(this.#mark, { force: true });
    return found;
  }
}

const traps: readonly Trap[] = [
  {
    what: "core.fsmonitor",
    set: (one) => one.git("config", "core.fsmonitor", one.program),
    started: "git status",
  },
  {
    what: "a hook that hears of a refreshed index",
    set: (one) => {
      one.git("config", "core.hooksPath", join(one.place, ".git", "own"));
      one.run(["mkdir", ".git/own"]);
      one.run(["cp", one.program, ".git/own/post-index-change"]);
      one.write("b.txt", "b\n");
      one.git("add", "b.txt");
      one.wasStarted();
      one.run(["touch", "-d", "2001-01-01", "b.txt"]);
    },
    started: "git status",
  },
  {
    what: "a clean filter",
    set: (one) => {
      one.write(".gitattributes", "*.txt filter=own\n");
      one.git("config", "filter.own.clean", one.program);
    },
    started: "git diff",
  },
  {
    what: "a filter process",
    set: (one) => {
      one.write(".gitattributes", "*.txt filter=own\n");
      one.git("config", "filter.own.process", one.program);
    },
    started: "git diff",
  },
  {
    what: "an external diff",
    set: (one) => one.git("config", "diff.external", one.program),
    started: "git diff",
  },
  {
    what: "a text conversion",
    set: (one) => {
      one.write(".gitattributes", "*.txt diff=own\n");
      one.git("config", "diff.own.textconv", one.program);
    },
    started: "git diff",
  },
  {
    what: "a program that checks signatures",
    set: (one) => {
      one.git("config", "log.showSignature", "true");
      one.git("config", "gpg.program", one.program);
      const [head = "", ...message] = one.git("cat-file", "commit", "HEAD").split("\n\n");
      const mark = "-----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----";
      const signed = `${head}\ngpgsig ${mark}\n\n${message.join("\n\n")}`;
      const commit = one.run(["git", "hash-object", "-t", "commit", "-w", "--stdin"], signed);
      one.git("update-ref", "HEAD", commit.trim());
    },
    started: "git log",
  },
];

const reads = [
  "git status",
  "git diff",
  "git diff HEAD",
  "git diff --cached",
  "git log -p",
  "git log --stat",
  "git show HEAD",
  "git show --stat",
];

suite(
  "what a repository's own settings would start is not started by what may pass as reading",
  () => {
    for (const { what, set, started } of traps) {
      test(what, () => {
        const repository = new Repository();
        set(repository);
        repository.run(started.split(" "));
        assert.ok(repository.wasStarted(), "plain git starts it");
        for (const line of reads) {
          const parts = commandReader().read(line, "/workspace");
          assert.equal(parts?.[0]?.effect, "reads", line);
          repository.run(parts[0].run);
          assert.ok(!repository.wasStarted(), line);
        }
      });
    }
  },
);
