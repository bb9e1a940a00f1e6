import { readFileSync } from "node:fs";

const plenty = 16_384;

/**
 * RLIMIT_NPROC of a container. It counts all processes of the user, outside too, so it is large;
 * what holds a container is its own limit of pids. Podman sets one that it may not be allowed to
 * set, unless one is named that is within this process's own.
 */
export function processLimit(): number {
  const [, own] = /^Max processes\s+\d+\s+(\d+)/mu.exec(limitsOfThisProcess()) ?? [];
  return own === undefined ? plenty : Math.min(plenty, Number(own));
}

function limitsOfThisProcess(): string {
  try {
    return readFileSync("/proc/self/limits", "utf8");
  } catch {
    return "";
  }
}
