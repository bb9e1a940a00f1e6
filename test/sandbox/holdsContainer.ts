import { thisBoot, thisOwner } from "../../src/durable/owner.ts";
import { DockerSandbox } from "../../src/sandbox/dockerSandbox.ts";
import { testProxy } from "./dockerPlace.ts";
import { EgressUnderTest } from "./wayOutCases.ts";

// A process to be killed: starts a container, with a proxy where it is told a network that leads
// out, holds it still, says so, and waits for its end.
const [socketPath = "", image = "", place = "", session = "", outside] = process.argv.slice(2);
const sandbox = new DockerSandbox({
  session,
  image,
  socketPath,
  tree: `${place}/tree`,
  state: place,
  marks: `${place}/marks`,
  recipe: "sandbox.Dockerfile",
  runtime: null,
  gpus: null,
  dev: null,
  egress: outside === undefined ? null : new EgressUnderTest([]),
  proxy: { ...testProxy, outside: outside ?? "" },
  keeper: { owner: thisOwner(process.pid), boot: thisBoot(), key: Buffer.alloc(32, 7) },
  log: () => undefined,
});
await sandbox.start();
await sandbox.frozen(async () => {
  process.stdout.write("held\n");
  await new Promise((resolve) => {
    setTimeout(resolve, 60_000);
  });
});
