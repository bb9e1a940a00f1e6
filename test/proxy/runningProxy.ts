import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import {
  type EgressReport,
  type EgressRules,
  fromProxy,
  type FromProxy,
  type ToProxy,
} from "../../src/core/egress.ts";
import { Authority } from "../../src/proxy/authority.ts";
import type { Given } from "./given.ts";
import { root } from "../harness/root.ts";

type Start = Extract<ToProxy, { readonly kind: "start" }>;

type Held = Extract<FromProxy, { readonly kind: "holds" }>;

interface How {
  readonly given?: Partial<Given>;
  readonly command?: readonly string[];
}

/** A real proxy process, from its start line to its end. */
export class RunningProxy {
  readonly process: ChildProcess;
  readonly reports: EgressReport[] = [];
  /** What it held, and whether that goes. */
  readonly held: Held[] = [];
  lets: (held: Held) => boolean = () => true;
  /** All that it said, and all that it wrote on standard error. */
  spoken = "";
  certificate = "";
  port = 0;
  readonly #heard: ((line: FromProxy) => void)[] = [];

  private constructor(command: readonly string[]) {
    this.process = spawn(process.execPath, [...command], {
      stdio: ["pipe", "pipe", "pipe"],
      cwd: root,
      // One arena: memory of connections that are gone is used for the next ones.
      env: { MALLOC_ARENA_MAX: "1" },
    });
    this.process.stderr?.on("data", (chunk: Buffer) => (this.spoken += chunk.toString()));
    if (this.process.stdout === null) throw new Error("It has no standard output.");
    createInterface({ input: this.process.stdout }).on("line", (line) => {
      this.spoken += `${line}\n`;
      const said = fromProxy.parse(JSON.parse(line));
      if (said.kind === "request") this.reports.push(said);
      if (said.kind === "holds") this.#decide(said);
      for (const hear of this.#heard.splice(0)) hear(said);
    });
  }

  /** Listens on 127.0.0.1 unless told otherwise. With names or limits of a test's own it is another entry. */
  static async start(
    rules: EgressRules,
    { given, command, ...start }: Partial<Start> & How = {},
  ): Promise<RunningProxy> {
    const named = ["test/proxy/namedProxy.ts", JSON.stringify({ names: {}, limits: {}, ...given })];
    const usual = given === undefined ? ["src/proxy/main.ts"] : named;
    const proxy = new RunningProxy(command ?? usual);
    const workers = ["127.0.0.1"];
    const listen = { kind: "network", host: "127.0.0.1", port: 0, workers } as const;
    const authority = new Authority(Date.now()).text;
    const told = { kind: "start" as const, listen, authority, closed: [], rules };
    const said = await proxy.tell({ ...told, ...start });
    if (said.kind !== "ready") throw new Error(`It said ${said.kind}.`);
    proxy.certificate = authority.certificate;
    proxy.port = said.port ?? 0;
    return proxy;
  }

  /** Resolves with the next thing that it says beside reports. */
  async tell(line: ToProxy): Promise<FromProxy> {
    const answered = new Promise<FromProxy>((resolve, reject) => {
      const hear = (said: FromProxy): void => {
        if (said.kind === "request" || said.kind === "holds") this.#heard.push(hear);
        else resolve(said);
      };
      this.#heard.push(hear);
      this.process.once("close", () => reject(new Error(`It ended: ${this.spoken}`)));
    });
    this.process.stdin?.write(`${JSON.stringify(line)}\n`);
    return answered;
  }

  #decide(held: Held): void {
    this.held.push(held);
    const line = { kind: "noted", number: held.number, goes: this.lets(held) };
    this.process.stdin?.write(`${JSON.stringify(line)}\n`);
  }

  /** The report with this number, as soon as it is there. */
  async nextReport(from: number): Promise<EgressReport> {
    return this.reportOf((_report, index) => index === from);
  }

  /** The first report of its kind, as soon as it is there. */
  async reportOf(isIt: (report: EgressReport, index: number) => boolean): Promise<EgressReport> {
    for (;;) {
      const report = this.reports.find(isIt);
      if (report !== undefined) return report;
      await new Promise<void>((resolve) => {
        this.#heard.push(() => resolve());
      });
    }
  }

  /** Ends its standard input; resolves with its exit code. */
  async end(): Promise<number | null> {
    if (this.process.exitCode !== null) return this.process.exitCode;
    const exited = once(this.process, "exit");
    this.process.stdin?.end();
    await exited;
    return this.process.exitCode;
  }
}
