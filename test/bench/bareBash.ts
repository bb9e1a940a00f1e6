import { deferred } from "../../src/sandbox/deferred.ts";
import type { OpenShell, ShellTransport } from "../../src/sandbox/shellTransport.ts";
import { SideRecords } from "../../src/sandbox/sideRecords.ts";

/** A persistent bash and nothing more: a line in, a record out. The floor of the session's shell. */
export class BareBash {
  readonly #records = new SideRecords();
  #shell: ShellTransport | null = null;
  #count = 0;

  async open(open: OpenShell): Promise<void> {
    const lost = deferred<never>();
    lost.promise.catch(() => undefined);
    const side = (bytes: Buffer): void => this.#records.push(bytes);
    this.#shell = await open({ side, ended: () => undefined, lost: lost.reject });
    this.#shell.write("PS1= PS2=\n");
    await this.run("true");
  }

  /** Resolves when the command is over. */
  async run(command: string): Promise<void> {
    this.#count += 1;
    const token = `bare${this.#count}`;
    const answer = this.#records.expect(token);
    this.#shell?.write(`${command}; printf '\\0%s \\0' ${token}\n`);
    await answer;
  }
}
