import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import * as z from "zod";

const milliseconds = z.array(z.number());

/** Another engine in a process of its own, which does steps when it is told to. */
export class Peer {
  readonly #process: ChildProcess;
  readonly #stdin: NodeJS.WritableStream;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess, stdin: NodeJS.WritableStream, answers: Interface) {
    this.#process = child;
    this.#stdin = stdin;
    this.#answers = answers[Symbol.asyncIterator]();
  }

  static start(program: string, args: readonly string[]): Peer {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    return new Peer(child, child.stdin, createInterface(child.stdout));
  }

  /** What each of so many steps took, in ms. */
  async steps(count: number): Promise<readonly number[]> {
    this.#stdin.write(`${count}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error("The peer ended before it answered.");
    return milliseconds.parse(JSON.parse(value));
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
}
