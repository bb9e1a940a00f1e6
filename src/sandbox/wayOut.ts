import { chmod, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Egress } from "../core/ports.ts";
import { ownDirectory } from "./ownDirectory.ts";
import type { TwoLegs } from "./twoLegs.ts";

/** Nobody is asked for a name; where nobody listens that is known at once. */
const nobody = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";

/** The host's end of the way out of one place: a directory of its own, and the proxy behind it. */
export class WayOut {
  /** Mounted at `/agent/proxy`. */
  readonly directory: string;
  readonly egress: Egress;
  /** What the engine has of it; null where a socket is enough. */
  legs: TwoLegs | null = null;

  private constructor(directory: string, egress: Egress) {
    this.directory = directory;
    this.egress = egress;
  }

  /** Whole before the place is made. Throws as `Egress`, and has left nothing then. */
  static async open(state: string, egress: Egress, door: "socket" | "network"): Promise<WayOut> {
    const way = new WayOut(await ownDirectory(state, "proxy"), egress);
    try {
      // The user inside is another one where this process is root.
      await chmod(way.directory, 0o755);
      await egress.listen(way.directory, door);
      if (door === "network") await writeFile(way.names, nobody, { mode: 0o644 });
      return way;
    } catch (error) {
      await way.close();
      throw error;
    }
  }

  /** Who is asked for names in a place with a network. */
  get names(): string {
    return join(this.directory, "resolv.conf");
  }

  /** After a command: what it was refused can be taken now. */
  async settle(): Promise<void> {
    await this.egress.settle();
  }

  /** After the place itself is gone. Resolves with whether nothing of it is left with an engine; never throws. */
  async close(): Promise<boolean> {
    await this.egress.close();
    const isGone = await (this.legs?.close() ?? Promise.resolve()).then(
      () => true,
      () => false,
    );
    await rm(this.directory, { recursive: true, force: true });
    return isGone;
  }
}
