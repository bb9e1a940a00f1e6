import { chmod, rm } from "node:fs/promises";
import type { Egress } from "../core/ports.ts";
import { ownDirectory } from "./ownDirectory.ts";

/** The host's end of the way out of one place: a directory of its own, and the proxy behind it. */
export class WayOut {
  /** Mounted at `/agent/proxy`. */
  readonly directory: string;
  readonly #egress: Egress;

  private constructor(directory: string, egress: Egress) {
    this.directory = directory;
    this.#egress = egress;
  }

  /** Whole before the place is made. Null where there is none. Throws as `Egress`, and has left nothing then. */
  static async open(
    state: string,
    egress: Egress | null,
    door: "socket" | "network" = "socket",
  ): Promise<WayOut | null> {
    if (egress === null) return null;
    const way = new WayOut(await ownDirectory(state, "proxy"), egress);
    try {
      // The user inside is another one where this process is root.
      await chmod(way.directory, 0o755);
      await egress.listen(way.directory, door);
      return way;
    } catch (error) {
      await way.close();
      throw error;
    }
  }

  /** After a command: what it was refused can be taken now. */
  async settle(): Promise<void> {
    await this.#egress.settle();
  }

  async close(): Promise<void> {
    await this.#egress.close();
    await rm(this.directory, { recursive: true, force: true });
  }
}
