import { randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, lstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";

/** How many are made at once: no process has to be started for one while the place is full. */
const batch = 64;
const readable = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
/** Opening for writing alone would fail where nobody reads yet. */
const writable = constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW;
const chunkBytes = 64 * 1024;

/** The named pipes of one directory. They are made inside the place and used again when at rest. */
export class NamedPipes {
  readonly #directory: string;
  readonly #make: (names: readonly string[]) => Promise<unknown>;
  readonly #inUse = new Set<Socket>();
  #free: string[] = [];

  constructor(directory: string, make: (names: readonly string[]) => Promise<unknown>) {
    this.#directory = directory;
    this.#make = make;
  }

  /** Names of two pipes that nobody has open; null when none can be made. */
  async pair(): Promise<readonly [string, string] | null> {
    const free = this.#take();
    if (free !== null) return free;
    const prefix = randomBytes(8).toString("hex");
    const names = Array.from({ length: batch }, (_, index) => `${prefix}-${index}`);
    await this.#make(names);
    this.#free.push(...names);
    return this.#take();
  }

  /**
   * Reads a pipe to its end, which comes when nobody can write to it any more. Only bytes that
   * are used at once may be taken from what `onBytes` gets: its memory is used again.
   * Null when there is no such pipe: commands can write in the directory.
   */
  read(name: string, onBytes: (bytes: Buffer) => void, onEnd: () => void): Socket | null {
    const fd = this.#open(name, readable);
    if (fd === null) return null;
    const callback = (count: number, buffer: Uint8Array): boolean => {
      onBytes(Buffer.from(buffer.buffer, buffer.byteOffset, count));
      return true;
    };
    const onread = { buffer: Buffer.allocUnsafeSlow(chunkBytes), callback };
    const socket = new Socket({ fd, readable: true, writable: false, onread });
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.destroy());
    return this.#use(socket, name, onEnd);
  }

  /** As {@link read}, for writing. */
  write(name: string): Socket | null {
    const fd = this.#open(name, writable);
    if (fd === null) return null;
    const socket = new Socket({ fd, readable: false, writable: true });
    socket.on("error", () => socket.destroy());
    return this.#use(socket, name, () => undefined);
  }

  /** Lets go of all: a pipe that nobody ever opened inside would not end by itself. */
  close(): void {
    for (const socket of this.#inUse) socket.destroy();
  }

  #use(socket: Socket, name: string, onEnd: () => void): Socket {
    this.#inUse.add(socket);
    socket.on("close", () => {
      this.#inUse.delete(socket);
      this.#free.push(name);
      onEnd();
    });
    return socket;
  }

  /** Commands can remove what is there: what is no pipe any more is forgotten. */
  #take(): readonly [string, string] | null {
    this.#free = this.#free.filter(
      (name) =>
        lstatSync(join(this.#directory, name), { throwIfNoEntry: false })?.isFIFO() === true,
    );
    const [first, second, ...rest] = this.#free;
    if (first === undefined || second === undefined) return null;
    this.#free = rest;
    return [first, second];
  }

  #open(name: string, flags: number): number | null {
    try {
      const fd = openSync(join(this.#directory, name), flags);
      if (fstatSync(fd).isFIFO()) return fd;
      closeSync(fd);
    } catch {
      // It is gone, or something else is in its place.
    }
    return null;
  }
}
