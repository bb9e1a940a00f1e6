import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The socket of the container engine: the given one, else what DOCKER_HOST says (null: the client
 * reads it itself), else the first usual socket of Docker or Podman that this user may open.
 */
export function engineSocket(
  given: string | null,
  environment: Environment = process.env,
  usable: (path: string) => boolean = usableSocket,
): string | null {
  if (given !== null) return given;
  if ((environment["DOCKER_HOST"] ?? "") !== "") return null;
  const runtime = environment["XDG_RUNTIME_DIR"] ?? "";
  const usual = [
    "/var/run/docker.sock",
    ...(runtime === "" ? [] : [join(runtime, "podman/podman.sock")]),
    "/run/podman/podman.sock",
  ];
  return usual.find(usable) ?? null;
}

function usableSocket(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}
