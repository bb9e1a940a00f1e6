import type { SessionSummary } from "./core/ports.ts";
import { statusOf, type OpenWait } from "./core/replay.ts";
import { timeLeft, type Clock } from "./core/timeLeft.ts";

export interface DeadlineOptions {
  readonly world: Clock;
  /** What is open of a session. */
  readonly open: (session: string) => Promise<readonly OpenWait[]>;
  /** Ends a wait whose time is over. Never rejects. */
  readonly expire: (wait: OpenWait) => Promise<void>;
}

/** The longest that a timer can be set for. */
const longestMs = 2 ** 31 - 1;

/**
 * Ends waits whose time is over while nobody answers. A wait is timed by a clock that nobody sets
 * from when this process first sees it: a jump of the wall clock neither ends it early nor keeps
 * it open for longer than its whole time. Time in which no process watches is taken from the wall.
 */
export class Deadlines {
  readonly #options: DeadlineOptions;
  readonly #timers = new Map<string, { readonly wait: OpenWait; readonly timer: NodeJS.Timeout }>();
  /** The newest record, by session, up to which its waits are known. */
  readonly #looked = new Map<string, number>();

  constructor(options: DeadlineOptions) {
    this.#options = options;
  }

  /** Times what is open of those sessions that changed since they were looked at, and ends what is over. */
  async look(summaries: readonly SessionSummary[]): Promise<void> {
    await Promise.all(
      summaries.map(async ({ session, last, readOnly }) => {
        if (readOnly || this.#looked.get(session) === last.seq) return;
        this.#looked.set(session, last.seq);
        this.watch(session, statusOf(last) === "waiting" ? await this.#options.open(session) : []);
      }),
    );
    // A timer does not count the time that a machine sleeps.
    const over = [...this.#timers.values()].filter(
      ({ wait }) => this.#counts(wait) && this.#left(wait) === 0,
    );
    for (const { wait } of over) {
      this.#forget(keyOf(wait));
      this.#time(wait, 0);
    }
  }

  /** The session is looked at again, though it did not change. */
  forget(session: string): void {
    this.#looked.delete(session);
  }

  /** Times what is open of a session, and forgets what is not. */
  watch(session: string, open: readonly OpenWait[]): void {
    const timed = open.filter(({ deadlineMs }) => deadlineMs !== undefined);
    const keys = new Set(timed.map(keyOf));
    for (const key of this.#timers.keys()) {
      if (key.startsWith(`${session}\n`) && !keys.has(key)) this.#forget(key);
    }
    for (const wait of timed) {
      if (!this.#timers.has(keyOf(wait))) this.#time(wait, this.#left(wait));
    }
  }

  close(): void {
    for (const key of this.#timers.keys()) this.#forget(key);
  }

  #time(wait: OpenWait, leftMs: number): void {
    const key = keyOf(wait);
    const step = Math.min(leftMs, longestMs);
    const timer = setTimeout(() => {
      if (leftMs > step) {
        this.#time(wait, leftMs - step);
        return;
      }
      this.#timers.delete(key);
      void this.#options.expire(wait);
    }, step);
    timer.unref();
    this.#timers.set(key, { wait, timer });
  }

  #left(wait: OpenWait): number {
    return Math.max(timeLeft(wait, this.#options.world) ?? 0, 0);
  }

  /** Whether the time that is left is known, and no guess by a clock that can be set. */
  #counts({ since }: OpenWait): boolean {
    return since !== undefined && since.boot === this.#options.world.boot()?.id;
  }

  #forget(key: string): void {
    clearTimeout(this.#timers.get(key)?.timer);
    this.#timers.delete(key);
  }
}

function keyOf({ session, wait, digest }: OpenWait): string {
  return [session, wait, digest].join("\n");
}
