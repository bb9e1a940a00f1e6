import * as z from "zod";
import { CairnError } from "./errors.ts";
import type { Message, World } from "./ports.ts";
import { toolCall, type JsonValue, type Usage } from "./records.ts";

const messages = z.array(
  z.discriminatedUnion("role", [
    z.object({ role: z.literal("system"), text: z.string() }),
    z.object({ role: z.literal("user"), text: z.string() }),
    z.object({ role: z.literal("assistant"), text: z.string(), toolCalls: z.array(toolCall) }),
    z.object({ role: z.literal("tool"), callId: z.string(), text: z.string() }),
  ]),
);

interface Kept {
  readonly message: Message;
  /** What counts for the key: a text that is no checkpoint does not. */
  readonly keyed: string;
  /** The step that has the whole text, for what may be shortened. */
  readonly step: string | null;
}

/** How a request was made to fit: on record as the output of its step. */
export const compaction = z.object({
  before: z.number(),
  after: z.number(),
  /** Places of the messages that were shortened. */
  shortened: z.array(z.number()),
});
export type Compaction = z.infer<typeof compaction>;

/** The newest messages that stay whole as long as anything older can be shortened. */
const newest = 6;
/** A text below this length is not worth shortening. */
const worthwhile = 200;
/** What shortening aims at, of what fits. */
const aim = 0.6;
const charactersPerToken = 4;

/** The messages so far, with a digest that costs one message a message and not the whole history. */
export class Conversation {
  readonly #world: World;
  #kept: Kept[] = [];
  #digest = "";
  #characters = 0;
  #answered = false;
  /** Characters a token, as the provider's last count showed. */
  #density = charactersPerToken;

  constructor(world: World) {
    this.#world = world;
  }

  get messages(): readonly Message[] {
    return this.#kept.map(({ message }) => message);
  }

  get digest(): string {
    return this.#digest;
  }

  /** True once the model has said something. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Adds a message. `step` names where its whole text is on record; `checkpoint: false` keeps its text out of the key. */
  add(
    message: Message,
    { step = null, checkpoint = true }: { step?: string | null; checkpoint?: boolean } = {},
  ): void {
    const keyed = JSON.stringify(checkpoint ? message : { ...message, text: "" });
    this.#keep({ message, keyed, step });
  }

  /** Replaces what the model is asked: the newest words of the user, or every message. Throws `override.invalid`. */
  edit(input: JsonValue): void {
    if (typeof input === "string") {
      const last = this.#kept.findLastIndex(({ message }) => message.role === "user");
      this.#rebuild(
        this.#kept.map((kept, index) =>
          index === last ? entry({ role: "user", text: input }, null) : kept,
        ),
      );
      return;
    }
    const parsed = messages.safeParse(input);
    if (!parsed.success) {
      throw new CairnError(
        "override.invalid",
        `The input of a model call is a text for the user's message, or a list of messages: ${z.prettifyError(parsed.error)}`,
        { cause: parsed.error },
      );
    }
    this.#rebuild(parsed.data.map((message) => entry(message, null)));
  }

  /** Learns from the provider's count of the request that was just answered. */
  counted(usage: Usage | null): void {
    if (usage === null || usage.inputTokens === 0) return;
    const seen = this.#characters / usage.inputTokens;
    this.#density = Math.min(Math.max(seen, 1), 8);
  }

  /** Tokens that the next request will have, about. */
  get tokens(): number {
    return Math.ceil(this.#characters / this.#density);
  }

  /**
   * What to shorten so that a request fits into `limit` tokens: results of tools first and then the
   * model's own words, oldest first, the newest messages and the user's words last or never. Null
   * when it fits as it is.
   */
  plan(limit: number): Compaction | null {
    const before = this.tokens;
    if (before <= limit) return null;
    const places = new Set<number>();
    let left = this.#characters;
    const older = this.#kept.length - newest;
    const passes: readonly ((kept: Kept, index: number) => boolean)[] = [
      ({ message }, index) => index < older && message.role === "tool",
      ({ message }, index) => index < older && message.role === "assistant",
      ({ message }) => message.role === "tool",
    ];
    for (const [pass, fits] of passes.entries()) {
      const target = (pass === 2 ? limit : limit * aim) * this.#density;
      for (const [index, kept] of this.#kept.entries()) {
        if (left <= target) break;
        const { text } = kept.message;
        if (!fits(kept, index) || kept.step === null || text.length <= worthwhile) continue;
        if (places.has(index)) continue;
        places.add(index);
        left -= text.length - short(kept).length;
      }
    }
    return { before, after: Math.ceil(left / this.#density), shortened: [...places] };
  }

  /** Shortens as planned. The whole texts stay on record. */
  shorten(plan: Compaction): void {
    const places = new Set(plan.shortened);
    this.#rebuild(this.#kept.map((kept, index) => (places.has(index) ? shortened(kept) : kept)));
  }

  #rebuild(kept: readonly Kept[]): void {
    this.#kept = [];
    this.#digest = "";
    this.#characters = 0;
    for (const each of kept) this.#keep(each);
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    this.#digest = this.#world.digest(`${this.#digest}\n${kept.keyed}`);
    this.#characters += lengthOf(kept.message);
    this.#answered ||= kept.message.role === "assistant";
  }
}

function entry(message: Message, step: string | null): Kept {
  return { message, keyed: JSON.stringify(message), step };
}

function shortened(kept: Kept): Kept {
  const message = { ...kept.message, text: short(kept) };
  const isKeyed = kept.keyed === JSON.stringify(kept.message);
  return { message, keyed: isKeyed ? JSON.stringify(message) : kept.keyed, step: null };
}

function short({ message, step }: Kept): string {
  const head = message.text.slice(0, worthwhile / 2).trimEnd();
  return `${head}\n[${message.text.length} characters were shortened to fit the model's window. The whole text is on record at ${step}.]`;
}

function lengthOf(message: Message): number {
  const calls = message.role === "assistant" ? JSON.stringify(message.toolCalls).length : 0;
  return message.text.length + calls;
}
