import type Docker from "dockerode";
import type { CairnError } from "../core/errors.ts";
import { readLabels } from "./containerLabels.ts";
import { answerOf, engineUnavailable, removeContainer, removeNetwork } from "./dockerEngine.ts";
import type { DockerSandboxOptions } from "./dockerSandboxOptions.ts";

/**
 * Removes what an engine still has of a session that nobody drives any more: its containers, then
 * its network. Nothing without our seal. Throws `sandbox.unavailable`.
 */
export async function removeRemains(
  docker: Docker,
  { session, keeper, socketPath }: Pick<DockerSandboxOptions, "session" | "keeper" | "socketPath">,
): Promise<void> {
  const filters = { label: [`cairn.session=${session}`] };
  const unavailable = (cause?: unknown): CairnError => engineUnavailable(socketPath, cause);
  const [containers, networks] = await Promise.all([
    answerOf(docker.listContainers({ all: true, filters }), unavailable),
    answerOf(docker.listNetworks({ filters }), unavailable),
  ]);
  const isOurs = ({ Labels }: { readonly Labels?: Record<string, string> | undefined }): boolean =>
    readLabels(Labels, keeper.key) !== null;
  const removals = containers
    .filter((each) => isOurs(each))
    .map(async ({ Id }) => answerOf(removeContainer(docker.getContainer(Id)), unavailable));
  await Promise.all(removals);
  for (const { Id } of networks.filter((each) => isOurs(each))) {
    await answerOf(removeNetwork(docker.getNetwork(Id)), unavailable);
  }
}
