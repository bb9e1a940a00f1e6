import { isHealthy, type WorkerStatus } from "../core/workerStatus.ts";
import { runningSandboxes } from "../processParts.ts";
import { exitCodes } from "./exitCodes.ts";
import { jsonLine, plain } from "./plain.ts";

/** Prints every sandbox that runs now, whoever runs it. Resolves with 1 when one of them does not answer. */
export async function sandboxStatus({ json }: { readonly json: boolean }): Promise<number> {
  const processes = await runningSandboxes(process.env);
  const found = processes.flatMap(({ pid, workers }) => workers.map((worker) => ({ pid, worker })));
  for (const { pid, worker } of found) {
    process.stdout.write(json ? jsonLine({ pid, ...worker }) : lines(pid, worker));
  }
  if (found.length === 0 && !json) process.stdout.write("No sandbox runs now.\n");
  return found.every(({ worker }) => isHealthy(worker)) ? exitCodes.done : exitCodes.failed;
}

function lines(pid: number, worker: WorkerStatus): string {
  const { session, state, backend, image, task, memoryBytes, cpuMs, startedAt, tools } = worker;
  const place = image === null ? backend : `${backend} (${image})`;
  const uses = [
    ...(memoryBytes === null ? [] : [`${(memoryBytes / 1e6).toFixed(1)} MB`]),
    ...(cpuMs === null ? [] : [`${(cpuMs / 1000).toFixed(1)} s of CPU`]),
    ...(startedAt === null ? [] : [`since ${new Date(startedAt).toISOString().slice(0, 19)}Z`]),
  ];
  const has = Object.entries(tools).map(([name, version]) => `${name} ${version}`);
  return plain(
    [
      `${session}  ${state}  ${place}  process ${pid}`,
      ...(task === null ? [] : [`      $ ${task.command}`]),
      ...(uses.length === 0 ? [] : [`      ${uses.join(", ")}`]),
      ...(has.length === 0 ? [] : [`      has ${has.join(", ")}`]),
      "",
    ].join("\n"),
  );
}
