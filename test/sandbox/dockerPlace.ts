import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DockerSandbox } from "../../src/sandbox/dockerSandbox.ts";
import type { DockerSandboxOptions } from "../../src/sandbox/dockerSandboxOptions.ts";
import type { ProxyImage } from "../../src/sandbox/proxyContainer.ts";
import type { SandboxUnderTest } from "../contracts/sandbox.ts";
import type { TestEngine } from "../harness/engine.ts";
import { root } from "../harness/root.ts";

let sessions = 0;

/** What of a sandbox is the same for most tests. */
type Usual = Pick<
  DockerSandboxOptions,
  "recipe" | "runtime" | "gpus" | "keeper" | "marks" | "proxy"
>;

export interface DockerUnderTest extends SandboxUnderTest, Usual {
  readonly sandbox: DockerSandbox;
  readonly session: string;
}

export const testKeeper = { owner: "test/1/1", boot: "test", key: Buffer.alloc(32, 7) };

/** An image that no engine has, but those of tests that build it. */
export const testProxy: ProxyImage = {
  name: "cairn-proxy:test",
  recipe: join(root, "docker/proxy.Dockerfile"),
  program: join(root, "dist/proxy.js"),
  outside: "bridge",
  isNeeded: false,
};

/** A sandbox over directories of its own, with a name that no other has. */
export async function dockerPlace(
  engine: Pick<TestEngine, "socketPath" | "image"> & Partial<DockerSandboxOptions>,
  session = `test-${process.pid}-${(sessions += 1)}`,
): Promise<DockerUnderTest> {
  const place = await mkdtemp(join(tmpdir(), "cairn-sandbox-"));
  const tree = join(place, "workspace");
  const lines: string[] = [];
  const marks = join(place, "marks");
  const recipe = "sandbox.Dockerfile";
  const chosen = { recipe, runtime: null, gpus: null, keeper: testKeeper, marks };
  const usual: Usual = { ...chosen, proxy: engine.proxy ?? testProxy };
  const sandbox = new DockerSandbox({
    ...usual,
    ...engine,
    session,
    tree,
    dev: null,
    egress: engine.egress ?? null,
    state: place,
    log: (line) => lines.push(line),
  });
  const close = async (): Promise<void> => {
    await sandbox.stop();
    await rm(place, { recursive: true, force: true });
  };
  return { ...usual, sandbox, session, tree, state: place, lines, close };
}
