import assert from "node:assert/strict";
import { after, test } from "node:test";
import Docker from "dockerode";
import { DockerContainer } from "../../src/sandbox/dockerContainer.ts";
import { deferred } from "../../src/sandbox/deferred.ts";
import { startEngine } from "../harness/engine.ts";
import { dockerPlace } from "./dockerPlace.ts";

const engine = await startEngine();
const title = "a shell that ends while it is written to has ended, and its container is not lost";
if ("skipped" in engine) {
  test(title, { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  test(title, async () => {
    const place = await dockerPlace(engine);
    try {
      await place.sandbox.start();
      const docker = new Docker({ socketPath: engine.socketPath });
      const name = `cairn-${place.session}`;
      const container = new DockerContainer(docker.getContainer(name), name);
      for (let shells = 0; shells < 5; shells += 1) assert.equal(await writtenTo(container), 7);
    } finally {
      await place.close();
    }
  });
}

/** What a shell ends with that is written to without a pause, also when its connection has ended and is not closed. */
async function writtenTo(container: DockerContainer): Promise<number | null> {
  const ended = deferred<number | null>();
  const events = { side: () => {}, ended: ended.resolve, lost: ended.reject };
  const shell = await container.openShell(events);
  shell.write("exit 7\n");
  let isOver = false;
  const write = (): void => {
    shell.write("\n");
    if (!isOver) setImmediate(write);
  };
  write();
  return ended.promise.finally(() => {
    isOver = true;
  });
}
