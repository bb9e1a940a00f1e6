import { after, test } from "node:test";
import { executeHandedOn } from "../contracts/execute.ts";
import { sandboxContract } from "../contracts/sandbox.ts";
import { shellContract } from "../contracts/shell.ts";
import { startPodman } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace } from "./dockerPlace.ts";

const engine = await startPodman();
if ("skipped" in engine) {
  test("the docker sandbox on podman", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  const make = async (): Promise<DockerUnderTest> => dockerPlace(engine);
  sandboxContract("the docker sandbox on podman", make, { realBash: true });
  executeHandedOn("the docker sandbox on podman", make);
  shellContract("the docker sandbox on podman", make, ["in the middle of a session"]);
}
