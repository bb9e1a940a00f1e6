import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { command, mustRun } from "./command.ts";

/** What the tests use of the system, beside Node. */
const packages = [
  "bubblewrap",
  "chromium-headless-shell",
  "curl",
  "docker.io",
  "faketime",
  "fonts-dejavu-core",
  "git",
  "podman",
  "postgresql",
  "python3-pip",
  "runsc",
  "socat",
  "strace",
] as const;

/** Installs the packages that are missing, as root on Debian; elsewhere does nothing. */
export async function installDebianPackages(): Promise<void> {
  const system = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (!/^ID=debian$/mu.test(system) || process.getuid?.() !== 0) return;
  const { output } = await command("dpkg-query", ["-W", "-f=${Package} ${Status}\n", ...packages]);
  const missing = packages.filter((name) => !output.includes(`${name} install ok installed\n`));
  if (missing.length === 0) return;
  console.log(`Installing Debian packages: ${missing.join(" ")} ...`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const quiet = ["-q", "-y", "--no-install-recommends"];
  await withoutServices(async () => {
    await mustRun("apt-get", ["update", "-q"], { env });
    await mustRun("apt-get", ["install", ...quiet, ...missing], { env });
  });
}

/** Debian starts a service as it installs it, unless this file says no. */
async function withoutServices(install: () => Promise<void>): Promise<void> {
  const policy = "/usr/sbin/policy-rc.d";
  const exists = await stat(policy).then(
    () => true,
    () => false,
  );
  if (!exists) await writeFile(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install();
  } finally {
    if (!exists) await rm(policy);
  }
}
