import { after, test } from "node:test";
import { executeContract } from "../contracts/execute.ts";
import { fileToolsContract } from "../contracts/fileTools.ts";
import { sandboxContract } from "../contracts/sandbox.ts";
import { shellDiffersContract } from "../contracts/shellDiffers.ts";
import { shellContract } from "../contracts/shell.ts";
import { startEngine } from "../harness/engine.ts";
import { type DockerUnderTest, dockerPlace } from "./dockerPlace.ts";

const engine = await startEngine();
if ("skipped" in engine) {
  test("the docker sandbox", { skip: engine.skipped });
} else {
  after(async () => engine.stop());
  const make = async (): Promise<DockerUnderTest> => dockerPlace(engine);
  sandboxContract("the docker sandbox", make, { realBash: true });
  executeContract("the docker sandbox", make, { realBash: true });
  shellDiffersContract("the docker sandbox", make);
  fileToolsContract("the docker sandbox", make, { realBash: true });
  shellContract("the docker sandbox", make);
}
