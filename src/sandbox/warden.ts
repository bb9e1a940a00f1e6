import { randomBytes } from "node:crypto";
import { CairnError } from "../core/errors.ts";
import { bridgeBranches, bridgeFunctions } from "./bridgeScript.ts";
import { deferred } from "./deferred.ts";
import { SideRecords } from "./sideRecords.ts";
import { within } from "./within.ts";

export const bash: readonly string[] = ["bash", "--noprofile", "--norc"];
/** A bash that reads commands as people type them; see `BashProcess` for why. */
export const interactiveBash: readonly string[] = [...bash, "--noediting", "-i"];

const answerWithinMs = 5_000;

/**
 * Process 1 of a place, which no process inside can kill. It only uses builtins, so that it still
 * works when nothing can be started any more. When the host is gone its input ends, and with it
 * the place. Killing repeats, because a process may start others meanwhile.
 *
 * `before` is run once; `more` are further branches of the `case`.
 */
export function wardenScript(before = "", more = ""): string {
  return String.raw`
${before}
${bridgeFunctions}
while read -r what arguments; do
  case $what in
    list) processes=(/proc/[0-9]*); printf '\0%s %s\0' "$arguments" "${"$"}{processes[*]#/proc/}" ;;
    interrupt) kill -INT -- "-$arguments" ;;
    kill)
      for pass in {1..20}; do
        left=0
        for process in /proc/[0-9]*; do
          process=${"$"}{process#/proc/}
          case " 1 $arguments " in *" $process "*) continue ;; esac
          kill -KILL "$process" && left=1
        done
        [ $left = 1 ] || break
      done
      [ -z "$runner" ] || bridge_up ;;
${bridgeBranches}
${more}
  esac
done 2>/dev/null
`;
}

/** The host's end of a warden: what is told to it, what it answers, and whether it is still there. */
export class Warden {
  readonly #answers = new SideRecords();
  readonly #lost = deferred<never>();
  readonly #place: string;
  #send: ((line: string) => void) | null = null;

  /** `place` is what people call it, at the beginning of a sentence. */
  constructor(place: string) {
    this.#place = place;
    // Whoever waits hears of it; when nobody does, the next command will.
    this.#lost.promise.catch(() => undefined);
  }

  /** Rejects with `sandbox.lost` once the place is gone; never resolves. */
  get lost(): Promise<never> {
    return this.#lost.promise;
  }

  /** From now on it can be told something. */
  connect(send: (line: string) => void): void {
    this.#send = send;
  }

  /** Bytes of its stdout. */
  push(bytes: Buffer): void {
    this.#answers.push(bytes);
  }

  lose(cause?: unknown): void {
    const message = `${this.#place} ended. Resume the session to go on in a new one.`;
    this.#lost.reject(new CairnError("sandbox.lost", message, { cause }));
  }

  tell(line: string): void {
    this.#send?.(`${line}\n`);
  }

  /** What it answers, after all that it was told before is done. Rejects when the place is lost. */
  async ask(what: string, rest = ""): Promise<string> {
    const token = randomBytes(16).toString("hex");
    const answer = this.#answers.expect(token);
    this.tell(`${what} ${token}${rest === "" ? "" : ` ${rest}`}`);
    return Promise.race([answer, this.#lost.promise]);
  }

  async processes(): Promise<readonly number[]> {
    return (await this.ask("list")).split(" ").map(Number);
  }

  /** The work's value, unless the place is lost first or the work takes too long for one alive. */
  async whileHere<T>(work: Promise<T>, withinMs = answerWithinMs): Promise<T> {
    const here = work.then((value) => ({ value }));
    const first = await within(withinMs, Promise.race([here, this.#lost.promise]));
    if (first !== null) return first.value;
    this.lose();
    return this.#lost.promise;
  }
}
